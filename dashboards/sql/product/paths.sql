-- Which ways do people go, and how many go no further? A step is a click, a state, a message or a tool, the same one again is no new step. Every beginning of a session's way is a path of up to five steps.
SELECT
  arrayStringConcat(path, ' → ') AS "Path",
  count() AS "Sessions",
  avg(depth = length(way)) AS "Go no further",
  avg(toUnixTimestamp64Nano(way[depth].1) - toUnixTimestamp64Nano(way[1].1)) / 1e9 AS "Takes"
FROM
(
  WITH otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step
  SELECT
    arraySort(groupArray((Timestamp, ReceivedAt, step))) AS events,
    arrayFilter((event, at) -> at = 1 OR event.3 != events[at - 1].3, events, arrayEnumerate(events)) AS way
  FROM otel.otel_traces
  WHERE {{interactions -type}}
    AND step != ''
  GROUP BY Tenant, SessionId
)
ARRAY JOIN range(1, least(length(way), 5) + 1) AS depth
GROUP BY tupleElement(arraySlice(way, 1, depth), 3) AS path
ORDER BY "Sessions" DESC, length(path), path
LIMIT 40
