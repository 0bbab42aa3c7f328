-- Every mention of a message by a span: `transcript` makes one row of those of the same one (see otel_traces.Messages for what the
-- columns mean). What names no session is of the one that an agent's run names for the trace, if there is one: it is told by the
-- run, and by itself no more. That is looked up behind all other conditions (`role` is known only there), at 50 us a row.
CREATE OR REPLACE VIEW otel.messages AS
SELECT
  Tenant AS tenant,
  SessionId AS session_id,
  tupleElement(m, 1) AS span_id,
  tupleElement(m, 2) AS model,
  fromUnixTimestamp64Nano(tupleElement(m, 3), 'UTC') AS ts,
  tupleElement(m, 4) AS role,
  tupleElement(m, 5) AS text,
  tupleElement(m, 6) AS call_id,
  tupleElement(m, 7) AS tool,
  tupleElement(m, 8) AS arguments,
  tupleElement(m, 9) AS result,
  tupleElement(m, 10) AS source,
  tupleElement(m, 11) AS position,
  tupleElement(m, 12) AS identity
FROM otel.otel_traces
ARRAY JOIN arrayConcat(
  otel_mentions_told(otel_messages_told(EXISTS(SELECT 1 FROM otel.span_messages), InteractionType, Dialect, if(InteractionType = 'agent_run', [], Messages), CAST(SpanAttributes, 'Map(String, String)'), Tenant, TraceId, SpanId), SpanId, ParentSpanId, Model, ToolName, Timestamp, DurationMs),
  arrayFlatten(arrayMap(
    key -> JSONExtract(dictGet('otel.mentions_of_trace', 'Mentions', key), 'Array(Tuple(String, String, Int64, String, String, String, String, String, String, UInt8, UInt32, UInt64))'),
    if(InteractionType = 'agent_run', [(CAST(Tenant, 'String'), TraceId)], [])))) AS m
WHERE InteractionType IN ('user_message', 'assistant_response', 'audio_input', 'audio_output', 'tool_call', 'tool_response', 'generation', 'agent_run')
  AND (InteractionType != 'agent_run' OR (Dialect != 'otel_interactions' AND NOT SessionIsTrace))
  AND (text != '' OR role = 'tool')
  AND NOT arrayExists(key -> dictHas('otel.session_by_trace', key), if(SessionIsTrace AND role != '', [(CAST(Tenant, 'String'), TraceId)], []))
