-- One row a message, in order, one conversation whoever recorded it. A message the application recorded itself
-- (user_message, assistant_response, tool_call, audio with a transcript) stands, the same message seen in a model call
-- (generation) is dropped, and so is one that only repeats the row before it, because every call repeats the history.
-- A message stands at the time it was complete: what the user said at its start, an answer at its end.
CREATE OR REPLACE VIEW otel.transcript AS
SELECT
  tenant,
  session_id,
  ts,
  toUInt32(sum(role = 'user') OVER (PARTITION BY tenant, session_id ORDER BY ts, place, span_id ROWS UNBOUNDED PRECEDING)) AS turn,
  role,
  text,
  tool_name,
  tool_call_id,
  tool_arguments,
  tool_result,
  model,
  span_id
FROM
(
  SELECT
    *,
    lagInFrame((role, text), 1, ('', '')) OVER (PARTITION BY tenant, session_id ORDER BY ts, place, span_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
  FROM
  (
    SELECT
      tenant, session_id, own, tool_name, if(message.1 = 'tool', call_id, '') AS tool_call_id, tool_arguments, tool_result, model, span_id,
      message.1 AS role, message.2 AS text, message.3 AS ts, message.4 AS place,
      countIf(own AND role != 'tool') OVER (PARTITION BY tenant, session_id, role, text) AS recorded,
      countIf(own AND role = 'tool') OVER (PARTITION BY tenant, session_id, tool_call_id) AS called
    FROM
    (
      SELECT
        tenant, session_id, tool_name, tool_call_id AS call_id, tool_arguments, tool_result, model, span_id,
        type NOT IN ('generation', 'agent_run') AS own,
        otel_later(ts, duration_ms) AS done,
        arrayJoin(arrayFilter(m -> m.2 != '' OR m.1 = 'tool', multiIf(
          type IN ('user_message', 'audio_input'), [('user', input_text, ts, 0)],
          type IN ('assistant_response', 'audio_output'), [('assistant', output_text, done, 2)],
          type IN ('tool_call', 'tool_response'), [('tool', '', ts, 1)],
          type = 'generation' AND role = 'tool', [('tool', input_text, ts, 1), ('assistant', output_text, done, 2)],
          type = 'generation', [('user', input_text, ts, 0), ('assistant', output_text, done, 2)],
          [('', '', ts, 0)]))) AS message
      FROM otel.interactions
      WHERE type IN ('user_message', 'assistant_response', 'audio_input', 'audio_output', 'tool_call', 'tool_response', 'generation')
    )
  )
  WHERE own OR if(role = 'tool', called = 0, recorded = 0)
)
WHERE own OR (role, text) != before
ORDER BY session_id, ts, place, span_id
