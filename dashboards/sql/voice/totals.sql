-- Sessions with sound, how much was said and heard, and how long people waited for the first sound (ms).
SELECT
  uniq(Tenant, SessionId) AS "Sessions",
  sumIf(AudioDurationMs, InteractionType IN ('audio_input', 'user_message')) / 1000 AS "Heard from people",
  sumIf(AudioDurationMs, InteractionType = 'audio_output') / 1000 AS "Said to people",
  sum(AudioBytes) AS "Bytes",
  avgIfOrNull(AudioDurationMs, InteractionType = 'audio_input') / 1000 AS "A turn, mean"
FROM otel.otel_traces
WHERE {{interactions -model}}
  AND InteractionType IN ('audio_input', 'audio_output', 'user_message')
  AND (InteractionType != 'user_message' OR AudioDurationMs > 0)
