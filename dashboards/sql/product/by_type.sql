-- What do people do, by type of interaction?
SELECT $__timeInterval(Timestamp) AS time, InteractionType AS series, count() AS interactions
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('user_message', 'audio_input', 'ui_event', 'state_transition', 'feedback', 'event')
GROUP BY time, series
ORDER BY time, series
