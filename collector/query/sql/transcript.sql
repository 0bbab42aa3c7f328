-- What was said in this session, in order?
SELECT ts, turn, role, text, tool_name, tool_call_id, tool_arguments, tool_result, model
FROM otel.transcript
WHERE session_id = {session:String}
ORDER BY ts
