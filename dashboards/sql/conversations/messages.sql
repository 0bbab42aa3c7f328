-- How many messages were written each time, by whom? Spoken turns count where their sound was recorded.
SELECT
  $__timeInterval(Timestamp) AS time,
  countIf(InteractionType IN ('user_message', 'audio_input')) AS "user",
  countIf(InteractionType = 'assistant_response') AS "assistant",
  countIf(InteractionType = 'tool_call') AS "tool",
  countIf(InteractionType = 'generation') AS "calls of models"
FROM otel.otel_traces
WHERE {{interactions -model}}
  AND InteractionType IN ('user_message', 'audio_input', 'assistant_response', 'tool_call', 'generation')
GROUP BY time
ORDER BY time
