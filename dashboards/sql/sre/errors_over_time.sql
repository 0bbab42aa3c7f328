-- How many errors were there, and how many of them critical?
SELECT
  $__timeInterval(Timestamp) AS time,
  countIf(NOT Critical) AS "errors",
  countIf(Critical) AS "critical"
FROM otel.otel_traces
WHERE {{interactions}}
  AND (InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end'))
GROUP BY time
ORDER BY time
