-- How many sessions take the steps in the box "Funnel", in this order, within a day? Steps are called as in the paths, with commas between them, ten at most, other steps may lie between.
WITH arraySlice(arrayFilter(s -> s != '', arrayMap(s -> trimBoth(s), splitByChar(',', decodeURLComponent('${funnel:percentencode}')))), 1, 10) AS steps
SELECT
  concat(toString(number), '. ', steps[number], ' (', toString(round(100 * counts[number] / greatest(counts[1], 1))), ' %)') AS "Step",
  counts[number] AS "Sessions"
FROM
(
  SELECT sumForEach(arrayMap(n -> toUInt64(level >= n), arrayEnumerate(steps))) AS counts
  FROM
  (
    WITH otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step
    SELECT
      windowFunnel(86400000000000, 'strict_once')(
        toUInt64(toUnixTimestamp64Nano(Timestamp)),
        step = steps[1], length(steps) > 1 AND step = steps[2], length(steps) > 2 AND step = steps[3], length(steps) > 3 AND step = steps[4],
        length(steps) > 4 AND step = steps[5], length(steps) > 5 AND step = steps[6], length(steps) > 6 AND step = steps[7],
        length(steps) > 7 AND step = steps[8], length(steps) > 8 AND step = steps[9], length(steps) > 9 AND step = steps[10]) AS level
    FROM otel.otel_traces
    WHERE {{interactions -type}}
      AND has(steps, step)
    GROUP BY Tenant, SessionId
  )
)
ARRAY JOIN arrayEnumerate(counts) AS number
ORDER BY number
