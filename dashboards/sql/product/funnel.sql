-- How many sessions take the steps in the box "Funnel", in this order, within a day? Steps are called as in the paths, with commas between them, ten at most, other steps may lie between.
WITH
  arraySlice(arrayFilter(s -> s != '', arrayMap(s -> trimBoth(s), splitByChar(',', decodeURLComponent('${funnel:percentencode}')))), 1, 10) AS steps,
  length(arrayDistinct(steps)) < length(steps) AS again
SELECT
  concat(toString(number), '. ', steps[number], ' (', toString(round(100 * counts[number] / greatest(counts[1], 1))), ' %)') AS "Step",
  counts[number] AS "Sessions"
FROM
(
  SELECT sumForEach(arrayMap(n -> toUInt64(level >= n), arrayEnumerate(steps))) AS counts
  FROM
  (
    WITH
      otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step,
      if(again, 0, indexOf(steps, step)) AS place,
      toUInt64(toUnixTimestamp64Nano(Timestamp)) AS at
    SELECT greatest(
      windowFunnel(86400000000000)(
        at, place = 1, place = 2, place = 3, place = 4, place = 5, place = 6, place = 7, place = 8, place = 9, place = 10),
      windowFunnel(86400000000000, 'strict_once')(
        at, again AND step = steps[1], again AND step = steps[2],
        again AND step = steps[3], again AND step = steps[4], again AND step = steps[5], again AND step = steps[6],
        again AND step = steps[7], again AND step = steps[8], again AND step = steps[9], again AND step = steps[10])) AS level
    FROM otel.otel_traces
    WHERE {{interactions -type}}
      AND has(steps, step)
    GROUP BY cityHash64(Tenant, SessionId)
  )
)
ARRAY JOIN arrayEnumerate(counts) AS number
ORDER BY number
