-- How many answers took how long? Answers, and calls of models of services that record none. Each line of the map is up to its time.
SELECT
  $__timeInterval(Timestamp) AS time,
  countIf(DurationMs <= 100) AS "100 ms",
  countIf(DurationMs > 100 AND DurationMs <= 250) AS "250 ms",
  countIf(DurationMs > 250 AND DurationMs <= 500) AS "500 ms",
  countIf(DurationMs > 500 AND DurationMs <= 1000) AS "1 s",
  countIf(DurationMs > 1000 AND DurationMs <= 2000) AS "2 s",
  countIf(DurationMs > 2000 AND DurationMs <= 4000) AS "4 s",
  countIf(DurationMs > 4000 AND DurationMs <= 8000) AS "8 s",
  countIf(DurationMs > 8000 AND DurationMs <= 16000) AS "16 s",
  countIf(DurationMs > 16000) AS "longer"
FROM otel.otel_traces
WHERE {{interactions}}
  AND {{> answered}}
  AND DurationMs > 0
GROUP BY time
ORDER BY time
