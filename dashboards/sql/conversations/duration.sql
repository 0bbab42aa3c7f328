-- How long were sessions, from the first to the last activity, by when they began?
SELECT
  $__timeInterval(started_at) AS time,
  quantileExact(0.5)(duration_ms) AS "median",
  quantileExact(0.9)(duration_ms) AS "p90",
  quantileExact(0.99)(duration_ms) AS "p99"
FROM otel.sessions
WHERE {{begun}}
GROUP BY time
ORDER BY time
