-- Which moods did the application ascribe to its answers (interaction.mood)?
SELECT $__timeInterval(Timestamp) AS time, SpanAttributes['interaction.mood'] AS series, count() AS answers
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'audio_output')
  AND series != ''
GROUP BY time, series
ORDER BY time, series
