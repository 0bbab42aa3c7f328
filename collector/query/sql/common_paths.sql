-- Which ways do people go, how often, how long does it take, and how many go no further?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `depth`: at most so many steps; `limit`: so many paths.
-- A step is what otel_step says: a click, a state, a message, a tool; the same one again is no new step. Every beginning of a
-- session's way is a path: frequency counts the sessions that began so, avg_duration_seconds is from the first to the last
-- of its steps, dropoff_rate the share that did nothing else after it.
-- A step's place is one number, of when it was, when it came, and its name's hash: tuples of the three take a third longer.
SELECT
  path,
  count() AS frequency,
  avg(times[depth] - times[1]) / 1e9 AS avg_duration_seconds,
  avg(depth = length(way)) AS dropoff_rate
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
    arrayMap(i -> done[i], arraySlice(way, 1, {depth:UInt32})) AS steps,
    arrayMap(i -> toInt64(bitShiftRight(places[i], 128)), arraySlice(way, 1, {depth:UInt32})) AS times
  FROM otel.otel_traces
  WHERE InteractionType != '' AND step != '' AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
  GROUP BY Tenant, SessionId
)
ARRAY JOIN arrayEnumerate(steps) AS depth
GROUP BY arraySlice(steps, 1, depth) AS path
ORDER BY frequency DESC, length(path), path
LIMIT {limit:UInt32}
