-- Which ways do people go, how often, how long does it take, and how many go no further?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `depth`: at most so many steps; `limit`: so many paths.
-- A step is what otel_step says: a click, a state, a message, a tool; the same one again is no new step. Every beginning of a
-- session's way is a path: frequency counts the sessions that began so, avg_duration_seconds is from the first to the last
-- of its steps, dropoff_rate the share that did nothing else after it.
SELECT
  path,
  count() AS frequency,
  avg(toUnixTimestamp64Nano(way[depth].1) - toUnixTimestamp64Nano(way[1].1)) / 1e9 AS avg_duration_seconds,
  avg(depth = length(way)) AS dropoff_rate
FROM
(
  WITH otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step
  SELECT
    arraySort(groupArray((Timestamp, ReceivedAt, step))) AS events,
    arrayFilter((event, at) -> at = 1 OR event.3 != events[at - 1].3, events, arrayEnumerate(events)) AS way
  FROM otel.otel_traces
  WHERE InteractionType != '' AND step != '' AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
  GROUP BY Tenant, SessionId
)
ARRAY JOIN range(1, least(length(way), {depth:UInt32}) + 1) AS depth
GROUP BY tupleElement(arraySlice(way, 1, depth), 3) AS path
ORDER BY frequency DESC, length(path), path
LIMIT {limit:UInt32}
