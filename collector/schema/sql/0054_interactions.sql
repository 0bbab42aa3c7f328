-- One row an interaction, for people: the spans that say they are one (interaction.type) and those of a dialect of GenAI.
-- '' or 0 means absent, cost and metric value are NULL then, as 0 is a real value. A number that is none reads as absent, its
-- text stays in `attributes`.
-- A view: what is filtered and counted are columns of otel_traces, computed once when a span is stored. Texts and what is
-- rarely asked are taken out of the attributes when somebody asks for them, so that no chart reads what people said.
CREATE OR REPLACE VIEW otel.interactions AS
SELECT
  Tenant AS tenant,
  SessionId AS session_id,
  otel_first([a['gen_ai.conversation.id'], a['conversation.id']]) AS conversation_id,
  TraceId AS trace_id,
  SpanId AS span_id,
  ParentSpanId AS parent_span_id,
  CAST(Timestamp, 'DateTime64(9, \'UTC\')') AS ts,
  CAST(ReceivedAt, 'DateTime64(9, \'UTC\')') AS received_at,
  DurationMs AS duration_ms,
  InteractionType AS type,
  SpanName AS name,
  UserId AS user_id,
  CAST(if(Role != '' OR InteractionType != 'generation', Role, arrayLast(m -> m.1 IN ('user', 'tool'), messages[1]).1), 'LowCardinality(String)') AS role,
  if(notEmpty(messages[1]) AND InteractionType != 'tool_call', otel_message_text(arrayLast(m -> m.1 IN ('user', 'tool'), messages[1])), said['message']) AS input_text,
  if(InteractionType = 'tool_call', '', otel_answer(messages[2], Dialect).2) AS output_text,
  Provider AS provider,
  Model AS model,
  ResponseModel AS response_model,
  InputTokens AS input_tokens,
  OutputTokens AS output_tokens,
  CachedTokens AS cached_tokens,
  ReasoningTokens AS reasoning_tokens,
  CostUsd AS cost_usd,
  FinishReason AS finish_reason,
  TtftMs AS ttft_ms,
  ToolName AS tool_name,
  if(said['call_id'] != '', said['call_id'], arrayLast(m -> m.1 IN ('user', 'tool'), messages[1]).3[1].2) AS tool_call_id,
  if(said['arguments'] = '' AND InteractionType = 'tool_call', otel_arguments(said['input']), said['arguments']) AS tool_arguments,
  if(Dialect = 'otel_interactions', said['result'], otel_result(if(said['result'] = '' AND InteractionType = 'tool_call', said['output'], said['result']))) AS tool_result,
  AudioDurationMs AS audio_duration_ms,
  AudioBytes AS audio_bytes,
  a['interaction.audio.mime_type'] AS audio_mime_type,
  a['interaction.audio.url'] AS audio_url,
  Category AS category,
  Severity AS severity,
  Source AS source,
  Component AS component,
  Action AS action,
  a['url.full'] AS url,
  a['user_agent.original'] AS user_agent,
  a['client.address'] AS client_ip,
  FromState AS from_state,
  ToState AS to_state,
  MetricName AS metric_name,
  MetricValue AS metric_value,
  CAST(if(StatusCode = 'Error', 'error', 'ok'), 'LowCardinality(String)') AS status,
  ErrorType AS error_type,
  multiIf(
    a['exception.message'] != '', a['exception.message'],
    arrayFirst(e -> e.1 = 'exception', events).2['exception.message'] != '', arrayFirst(e -> e.1 = 'exception', events).2['exception.message'],
    InteractionType = 'error' AND said['message'] != '', said['message'],
    StatusMessage) AS error_message,
  if(a['exception.stacktrace'] != '', a['exception.stacktrace'], arrayFirst(e -> e.1 = 'exception', events).2['exception.stacktrace']) AS stack,
  Critical AS critical,
  CAST(a['interaction.show_to_user'] = 'true', 'Bool') AS show_to_user,
  a['interaction.user_message'] AS user_message,
  AgentName AS agent_name,
  ServiceName AS service,
  Environment AS environment,
  Dialect AS dialect,
  mapFilter((k, v) -> NOT otel_is_content(k), a) AS attributes
FROM
(
  SELECT
    *,
    otel_said(said, a, events, if(InteractionType = 'generation' AND said['asked'] = '' AND said['input'] = '', [dictGet('otel.messages_of_span', 'Input', (TraceId, SpanId)), dictGet('otel.messages_of_span', 'Output', (TraceId, SpanId))], ['', ''])) AS messages
  FROM
  (
    SELECT
      Tenant, TraceId, SpanId, ParentSpanId, Timestamp, ReceivedAt, DurationMs, InteractionType, SpanName, SessionId,
      UserId, Role, Provider, Model, ResponseModel, InputTokens, OutputTokens, CachedTokens, ReasoningTokens, CostUsd,
      FinishReason, TtftMs, ToolName, AudioDurationMs, AudioBytes, Category, Severity, Source, Component, Action,
      FromState, ToState, MetricName, MetricValue, StatusCode, StatusMessage, ErrorType, Critical, AgentName,
      ServiceName, Environment, Dialect,
      CAST(SpanAttributes, 'Map(String, String)') AS a,
      otel_meanings(SpanAttributes, otel_content_aliases()) AS said,
      arrayZip(Events.Name, Events.Attributes) AS events
    FROM otel.otel_traces
    WHERE InteractionType != ''
  )
)
