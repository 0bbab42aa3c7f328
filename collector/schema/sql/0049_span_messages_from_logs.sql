-- One message a record (conventions up to 1.36: gen_ai.user.message, gen_ai.choice, …), or all of a call on one record
-- (gen_ai.client.inference.operation.details). A message that names no role has the one of its event. What is no JSON is left
-- out: it would spoil the other messages of the call.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.span_messages_from_logs TO otel.span_messages AS
WITH
  if(EventName != '', EventName, LogAttributes['event.name']) AS event,
  transform(event, ['gen_ai.choice', 'gen_ai.assistant.message', 'gen_ai.system.message', 'gen_ai.tool.message'], ['assistant', 'assistant', 'system', 'tool'], 'user') AS role,
  if(event = 'gen_ai.choice', JSONExtractRaw(Body, 'message'), Body) AS body,
  if(event = 'gen_ai.choice', JSONExtractRaw(Body, 'tool_calls'), '') AS calls,
  concat('{', arrayStringConcat(arrayFilter(field -> field != '', [
    if(JSONHas(body, 'role'), '', concat('"role":"', role, '"')),
    if(calls != '', concat('"tool_calls":', calls), ''),
    trim(substring(trim(body), 2, length(trim(body)) - 2))]), ','), '}') AS message,
  if(endsWith(event, '.details'), [LogAttributes['gen_ai.input.messages'], LogAttributes['gen_ai.output.messages']], if(event = 'gen_ai.choice', ['', message], [message, ''])) AS both,
  arrayMap(m -> if(position(m, '"parts"') > 0, m, otel_canonical(m, role)), arrayMap(m -> otel_whole(m), both)) AS canonical,
  arrayMap(m -> arrayStringConcat(arrayMap(e -> concat(e, ','), JSONExtractArrayRaw(m))), canonical) AS parts,
  LogAttributes['gen_ai.system_instructions'] AS instructions
SELECT
  Tenant,
  TraceId,
  SpanId,
  Timestamp,
  cityHash64(Instructions, Input, Output) AS Hash,
  if(JSONType(instructions) = 'Array', concat('{"role":"system","parts":', instructions, '},'), '') AS Instructions,
  parts[1] AS Input,
  parts[2] AS Output
FROM otel.otel_logs
WHERE TraceId != '' AND event IN ('gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message', 'gen_ai.tool.message', 'gen_ai.choice', 'gen_ai.client.inference.operation.details')
