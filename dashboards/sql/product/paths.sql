-- Which ways do people go, and how many go no further? A step is a click, a state, a message or a tool, the same one again is no new step. Every beginning of a session's way is a path of up to five steps.
SELECT
  arrayStringConcat(path, ' → ') AS "Path",
  count() AS "Sessions",
  avg(depth = length(way)) AS "Go no further",
  avg(times[depth] - times[1]) / 1e9 AS "Takes"
FROM
(
  WITH
    otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step,
    reinterpretAsUInt256(concat(
      reinterpretAsFixedString(cityHash64(step)), reinterpretAsFixedString(ReceivedAt), reinterpretAsFixedString(Timestamp))) AS place
  SELECT
    arraySort(groupArray(place)) AS places,
    arraySort((s, p) -> p, groupArray(step), groupArray(place)) AS done,
    arrayFilter((i, s, before) -> i = 1 OR s != before, arrayEnumerate(done), done, arrayPushFront(arrayPopBack(done), '')) AS way,
    arrayMap(i -> done[i], arraySlice(way, 1, 5)) AS steps,
    arrayMap(i -> toInt64(bitShiftRight(places[i], 128)), arraySlice(way, 1, 5)) AS times
  FROM otel.otel_traces
  WHERE {{interactions -type}}
    AND step != ''
  GROUP BY Tenant, SessionId
)
ARRAY JOIN arrayEnumerate(steps) AS depth
GROUP BY arraySlice(steps, 1, depth) AS path
ORDER BY "Sessions" DESC, length(path), path
LIMIT 40
