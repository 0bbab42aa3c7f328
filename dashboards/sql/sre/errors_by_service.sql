-- Which share of the interactions failed, by service?
SELECT
  $__timeInterval(Timestamp) AS time,
  ServiceName AS series,
  countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) / count() AS share
FROM otel.otel_traces
WHERE {{interactions}}
GROUP BY time, series
ORDER BY time, series
