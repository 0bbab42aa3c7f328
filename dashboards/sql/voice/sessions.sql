-- The sessions with sound, those with most interruptions first. A session's id leads to all of it.
SELECT
  SessionId AS "Session",
  any(UserId) AS "User",
  min(Timestamp) AS "Began",
  sumIf(AudioDurationMs, InteractionType = 'audio_input') / 1000 AS "In",
  sumIf(AudioDurationMs, InteractionType = 'audio_output') / 1000 AS "Out",
  greatest(countIf(InteractionType = 'assistant_response'), countIf(InteractionType = 'generation')) AS "Answers",
  greatest(
    countIf(InteractionType = 'assistant_response' AND FinishReason = 'interrupted'),
    countIf(InteractionType = 'generation' AND FinishReason = 'interrupted')) AS "Interrupted",
  Tenant AS tenant,
  toString(toUnixTimestamp64Milli(min(Timestamp)) - 60000) AS from_ms,
  toString(toUnixTimestamp64Milli(max(Timestamp)) + 60000) AS to_ms
FROM otel.otel_traces
WHERE {{interactions -model}}
GROUP BY Tenant, SessionId
HAVING countIf(InteractionType IN ('audio_input', 'audio_output')) > 0
ORDER BY "Interrupted" DESC, "Began" DESC, "Session"
LIMIT 100
