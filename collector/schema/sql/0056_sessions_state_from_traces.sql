-- Every interaction tells something of its session. The length of a session that ended, or of a state that was left, lies
-- before that moment and not behind it. What a model call was asked and answered is known by its messages, else by why it
-- finished: a call of a tool answers nobody. A heartbeat of the SDK tells that the session is open still, and nothing else.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.sessions_state_from_traces TO otel.sessions_state AS
WITH
  tupleElement(arrayFirst(m -> tupleElement(m, 9), Messages), 1) AS asked,
  CAST(Timestamp, 'DateTime64(9, \'UTC\')') AS ts,
  FinishReason NOT IN ('tool_calls', 'tool_call', 'tool-calls', 'tool_use', 'function_call') AND OutputTokens > 0 AS finished
SELECT
  Tenant AS tenant,
  SessionId AS session_id,
  argMinState(TraceId, (InteractionType != 'session_start', ts)) AS trace_id,
  argMaxIfState(UserId, ts, UserId != '') AS user_id,
  argMinIfState(CAST(ServiceName, 'String'), ts, ServiceName != '') AS service,
  argMaxIfState(CAST(Model, 'String'), ts, Model != '') AS model,
  argMaxIfState(CAST(SessionMode, 'String'), ts, SessionMode != '') AS mode,
  argMaxIfState(CAST(SessionEndReason, 'String'), ts, InteractionType = 'session_end') AS end_reason,
  min(ts) AS started_at,
  max(otel_later(Timestamp, if(InteractionType IN ('session_end', 'state_transition'), Duration / 1e6, DurationMs))) AS last_activity_at,
  maxIf(ts, InteractionType = 'session_start') AS last_start_at,
  maxIf(ts, InteractionType = 'session_end') AS last_end_at,
  countIf(InteractionType != '') AS interactions,
  countIf(InteractionType = 'user_message') AS user_messages,
  countIf(InteractionType = 'assistant_response') AS assistant_responses,
  countIf(InteractionType = 'generation' AND if(asked != '', asked = 'user', finished)) AS generations_asked,
  countIf(InteractionType = 'generation' AND multiIf(has(tupleElement(Messages, 1), 'assistant'), true, has(tupleElement(Messages, 7), 1) OR (Dialect = 'pipecat' AND notEmpty(Messages)), false, finished)) AS generations_answered,
  countIf(InteractionType = 'tool_call') AS tool_calls,
  countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) AS errors,
  sumIf(InputTokens, InteractionType = 'assistant_response') AS response_input_tokens,
  sumIf(OutputTokens, InteractionType = 'assistant_response') AS response_output_tokens,
  sumIf(InputTokens, InteractionType = 'generation') AS generation_input_tokens,
  sumIf(OutputTokens, InteractionType = 'generation') AS generation_output_tokens,
  sumIf(CostUsd, InteractionType IN ('assistant_response', 'generation')) AS cost_usd
FROM otel.otel_traces
WHERE InteractionType != '' OR (SpanName = 'session_heartbeat' AND otel_attribute(SpanAttributes, 'interaction.session.heartbeat') = 'true')
GROUP BY tenant, session_id
