-- Which share of the interactions failed, by type?
SELECT
  $__timeInterval(Timestamp) AS time,
  InteractionType AS series,
  countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) / count() AS share
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType != 'error'
GROUP BY time, series
ORDER BY time, series
