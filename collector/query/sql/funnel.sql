-- How many take these steps, in this order, and where do the others stop?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `steps`: 1 to 10 steps as otel_step names them, for
-- instance ['click Buy', 'checkout', 'paid']; `window_seconds`: from the first step to the last; `per`: 'session', or 'user' for
-- the steps of a user over sessions (of a session where none is named). Other steps may lie between.
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
    WITH otel_step(InteractionType, Action, Component, ToState, ToolName, Category) AS step
    SELECT
      windowFunnel({window_seconds:UInt64} * 1000000000, 'strict_once')(
        toUInt64(toUnixTimestamp64Nano(Timestamp)),
        length({steps:Array(String)}) >= 1 AND step = {steps:Array(String)}[1],
        length({steps:Array(String)}) >= 2 AND step = {steps:Array(String)}[2],
        length({steps:Array(String)}) >= 3 AND step = {steps:Array(String)}[3],
        length({steps:Array(String)}) >= 4 AND step = {steps:Array(String)}[4],
        length({steps:Array(String)}) >= 5 AND step = {steps:Array(String)}[5],
        length({steps:Array(String)}) >= 6 AND step = {steps:Array(String)}[6],
        length({steps:Array(String)}) >= 7 AND step = {steps:Array(String)}[7],
        length({steps:Array(String)}) >= 8 AND step = {steps:Array(String)}[8],
        length({steps:Array(String)}) >= 9 AND step = {steps:Array(String)}[9],
        length({steps:Array(String)}) >= 10 AND step = {steps:Array(String)}[10]) AS level
    FROM otel.otel_traces
    WHERE has({steps:Array(String)}, step)
      AND ({tenant:String} = '' OR Tenant = {tenant:String})
      AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
    GROUP BY Tenant, {per:String} = 'user' AND UserId != '', if({per:String} = 'user' AND UserId != '', UserId, SessionId)
  )
)
WHERE NOT throwIf(length({steps:Array(String)}) NOT BETWEEN 1 AND 10, 'a funnel has 1 to 10 steps')
ORDER BY number
