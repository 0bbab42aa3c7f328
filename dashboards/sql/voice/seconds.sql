-- How many seconds of sound came in and went out?
SELECT
  $__timeInterval(Timestamp) AS time,
  sumIf(AudioDurationMs, InteractionType = 'audio_input') / 1000 AS "in",
  sumIf(AudioDurationMs, InteractionType = 'audio_output') / 1000 AS "out"
FROM otel.otel_traces
WHERE {{interactions -model}}
  AND InteractionType IN ('audio_input', 'audio_output')
GROUP BY time
ORDER BY time
