-- Every mention of a message, several of the same one: `transcript` makes one row of them (see otel_traces.Messages for what the
-- columns mean). What names no session is of the one its trace belongs to.
CREATE OR REPLACE VIEW otel.messages AS
SELECT
  Tenant AS tenant,
  session AS session_id,
  SpanId AS span_id,
  CAST(Model, 'String') AS model,
  if(tupleElement(m, 8) < 1000000, CAST(Timestamp, 'DateTime64(9, \'UTC\')'), otel_later(Timestamp, DurationMs)) AS ts,
  tupleElement(m, 1) AS role,
  tupleElement(m, 2) AS text,
  tupleElement(m, 3) AS call_id,
  tupleElement(m, 4) AS tool,
  tupleElement(m, 5) AS arguments,
  tupleElement(m, 6) AS result,
  tupleElement(m, 7) AS source,
  tupleElement(m, 8) AS position,
  if(tupleElement(m, 10) = 0, cityHash64(Timestamp, SpanId, text), cityHash64(tupleElement(m, 10), if(tupleElement(m, 11), ParentSpanId, ''))) AS identity
FROM
(
  SELECT Tenant, session, SpanId, ParentSpanId, Model, Timestamp, DurationMs, arrayJoin(otel_messages_told(InteractionType, Messages, Tenant, TraceId, SpanId)) AS m
  FROM
  (
    SELECT Tenant, SessionId AS session, TraceId, SpanId, ParentSpanId, Model, Timestamp, DurationMs, InteractionType, Messages
    FROM otel.otel_traces
    WHERE InteractionType IN ('user_message', 'assistant_response', 'audio_input', 'audio_output', 'tool_call', 'tool_response', 'generation')
      AND NOT (SessionIsTrace AND (Tenant, TraceId) IN (SELECT tenant, trace_id FROM otel.session_of_trace))
    UNION ALL
    SELECT Tenant, session_id AS session, TraceId, SpanId, ParentSpanId, Model, Timestamp, DurationMs, InteractionType, Messages
    FROM otel.otel_traces
    LEFT SEMI JOIN otel.session_of_trace AS m ON tenant = Tenant AND trace_id = TraceId
    WHERE SessionIsTrace AND InteractionType IN ('user_message', 'assistant_response', 'audio_input', 'audio_output', 'tool_call', 'tool_response', 'generation')
  )
)
WHERE text != '' OR role = 'tool'
