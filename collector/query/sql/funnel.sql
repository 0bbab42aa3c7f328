-- How many take these steps, in this order, and where do the others stop?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `steps`: 1 to 10 steps as otel_step names them, for
-- instance ['click Buy', 'checkout', 'paid']; `window_seconds`: from the first step to the last; `per`: 'session', or 'user' for
-- the steps of a user over sessions (of a session where none is named). Other steps may lie between. Only steps that are named
-- twice need 'strict_once', which takes twice the time and many times the memory.
SELECT
  arrayJoin(arrayEnumerate({steps:Array(String)})) AS number,
  {steps:Array(String)}[number] AS step,
  counts[number] AS reached,
  if(counts[1] = 0, NULL, reached / counts[1]) AS of_first,
  if(number = 1 OR counts[number - 1] = 0, NULL, reached / counts[number - 1]) AS of_previous
FROM
(
  SELECT sumForEach(arrayMap(n -> toUInt64(level >= n), arrayEnumerate({steps:Array(String)}))) AS counts
  FROM
  (
    WITH
      otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step,
      length(arrayDistinct({steps:Array(String)})) < length({steps:Array(String)}) AS again,
      if(again, 0, indexOf({steps:Array(String)}, step)) AS place,
      toUInt64(toUnixTimestamp64Nano(Timestamp)) AS at
    SELECT greatest(
      windowFunnel({window_seconds:UInt64} * 1000000000)(
        at, place = 1, place = 2, place = 3, place = 4, place = 5, place = 6, place = 7, place = 8, place = 9, place = 10),
      windowFunnel({window_seconds:UInt64} * 1000000000, 'strict_once')(
        at,
        again AND length({steps:Array(String)}) >= 1 AND step = {steps:Array(String)}[1],
        again AND length({steps:Array(String)}) >= 2 AND step = {steps:Array(String)}[2],
        again AND length({steps:Array(String)}) >= 3 AND step = {steps:Array(String)}[3],
        again AND length({steps:Array(String)}) >= 4 AND step = {steps:Array(String)}[4],
        again AND length({steps:Array(String)}) >= 5 AND step = {steps:Array(String)}[5],
        again AND length({steps:Array(String)}) >= 6 AND step = {steps:Array(String)}[6],
        again AND length({steps:Array(String)}) >= 7 AND step = {steps:Array(String)}[7],
        again AND length({steps:Array(String)}) >= 8 AND step = {steps:Array(String)}[8],
        again AND length({steps:Array(String)}) >= 9 AND step = {steps:Array(String)}[9],
        again AND length({steps:Array(String)}) >= 10 AND step = {steps:Array(String)}[10])) AS level
    FROM otel.otel_traces
    WHERE has({steps:Array(String)}, step)
      AND ({tenant:String} = '' OR Tenant = {tenant:String})
      AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
    GROUP BY Tenant, {per:String} = 'user' AND UserId != '', if({per:String} = 'user' AND UserId != '', UserId, SessionId)
  )
)
WHERE NOT throwIf(length({steps:Array(String)}) NOT BETWEEN 1 AND 10, 'a funnel has 1 to 10 steps')
ORDER BY number
