-- What spans that name no session say in a trace, as otel_mentions_told in JSON: for the agent's run that names it.
CREATE DICTIONARY IF NOT EXISTS otel.mentions_of_trace
(
  Tenant String,
  TraceId String,
  Mentions String
)
PRIMARY KEY Tenant, TraceId
SOURCE(CLICKHOUSE(QUERY '
  SELECT CAST(Tenant, \'String\') AS Tenant, TraceId,
    toJSONString(arrayFlatten(groupArray(otel_mentions_told(otel_messages_told(EXISTS(SELECT 1 FROM otel.span_messages), InteractionType, Dialect, Messages, CAST(SpanAttributes, \'Map(String, String)\'), Tenant, TraceId, SpanId), SpanId, ParentSpanId, Model, ToolName, Timestamp, DurationMs)))) AS Mentions
  FROM otel.otel_traces
  WHERE SessionIsTrace AND InteractionType IN (\'user_message\', \'assistant_response\', \'audio_input\', \'audio_output\', \'tool_call\', \'tool_response\', \'generation\') AND {condition}
  GROUP BY Tenant, TraceId'))
LAYOUT(COMPLEX_KEY_DIRECT())
