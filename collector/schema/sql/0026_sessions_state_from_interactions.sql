-- A duration that the caller measured of a session that ended, or of a state that was left, lies before that moment and
-- not behind it: the moment is the session's last activity. With 0022 such sessions read twice as long as they were.
ALTER TABLE otel.sessions_state_from_interactions MODIFY QUERY
SELECT
  i.tenant AS tenant,
  i.session_id AS session_id,
  any(i.trace_id) AS trace_id,
  argMaxIfState(i.user_id, i.ts, i.user_id != '') AS user_id,
  argMinIfState(CAST(i.service, 'String'), i.ts, i.service != '') AS service,
  argMaxIfState(CAST(i.model, 'String'), i.ts, i.model != '') AS model,
  argMaxIfState(i.attributes['interaction.session.mode'], i.ts, i.attributes['interaction.session.mode'] != '') AS mode,
  argMaxIfState(i.attributes['interaction.session.end_reason'], i.ts, i.type = 'session_end') AS end_reason,
  min(i.ts) AS started_at,
  max(if(i.type IN ('session_end', 'state_transition') AND i.attributes['interaction.duration_ms'] != '', i.ts, otel_later(i.ts, i.duration_ms))) AS last_activity_at,
  maxIf(i.ts, i.type = 'session_start') AS last_start_at,
  maxIf(i.ts, i.type = 'session_end') AS last_end_at,
  count() AS interactions,
  countIf(i.type = 'user_message') AS user_messages,
  countIf(i.type = 'assistant_response') AS assistant_responses,
  countIf(i.type = 'generation' AND i.role = 'user') AS generations_asked,
  countIf(i.type = 'generation' AND i.output_text != '') AS generations_answered,
  countIf(i.type = 'tool_call') AS tool_calls,
  countIf(i.type = 'error' OR (i.status = 'error' AND i.type != 'session_end')) AS errors,
  sumIf(i.input_tokens, i.type = 'assistant_response') AS response_input_tokens,
  sumIf(i.output_tokens, i.type = 'assistant_response') AS response_output_tokens,
  sumIf(i.input_tokens, i.type = 'generation') AS generation_input_tokens,
  sumIf(i.output_tokens, i.type = 'generation') AS generation_output_tokens,
  sumIf(i.cost_usd, i.type IN ('assistant_response', 'generation')) AS cost_usd
FROM otel.interactions AS i
GROUP BY tenant, session_id
