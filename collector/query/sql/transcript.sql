-- What was said in this session, in order? The view has the order: sorted once more by `ts`, what was said at the same moment might
-- change places.
SELECT ts, turn, role, text, tool_name, tool_call_id, tool_arguments, tool_result, model, span_id
FROM otel.transcript
WHERE session_id = {session:String}
