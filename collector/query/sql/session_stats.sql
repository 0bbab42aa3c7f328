-- How did this session go: how many messages, in how many conversations, how long did answers take?
SELECT
  count() AS interactions,
  uniqExactIf(conversation_id, conversation_id != '') AS conversations,
  avgIf(duration_ms, type = 'assistant_response' AND duration_ms > 0) AS of_answers,
  avgIf(duration_ms, type = 'generation' AND duration_ms > 0) AS of_calls
FROM otel.interactions
WHERE session_id = {session:String}
