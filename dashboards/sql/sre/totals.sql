-- What happened in this time, how much of it failed, and how long did people wait for answers (calls of models where a service records no answers)? Errors are each `error`, and whatever failed, save the end of a session that did.
SELECT
  count() / ($__toTime - $__fromTime) AS "Interactions a second",
  if(count() = 0, NULL, countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) / count()) AS "Errors",
  countIf(Critical) AS "Critical errors",
  quantileTDigestIfOrNull(0.95)(DurationMs, {{> answered}} AND DurationMs > 0) AS "Answer, p95",
  quantileTDigestIfOrNull(0.95)(TtftMs, TtftMs > 0) AS "First token, p95",
  if(countIf(InteractionType = 'tool_call') = 0, NULL, countIf(InteractionType = 'tool_call' AND StatusCode = 'Error') / countIf(InteractionType = 'tool_call')) AS "Failed tools"
FROM otel.otel_traces
WHERE {{interactions}}
