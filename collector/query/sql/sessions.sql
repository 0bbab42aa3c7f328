-- Which sessions were there, the newest first?
SELECT
  session_id, status, end_reason, user_id, service, mode, model, started_at, last_activity_at, duration_ms,
  interactions, user_messages, assistant_responses, tool_calls, errors, input_tokens, output_tokens, cost_usd
FROM otel.sessions
WHERE {status:String} = '' OR status = {status:String}
ORDER BY last_activity_at DESC
LIMIT {limit:UInt32}
