-- How long do people wait for an answer? Answers, and calls of models.
SELECT
  $__timeInterval(Timestamp) AS time,
  quantileTDigest(0.5)(DurationMs) AS "p50",
  quantileTDigest(0.9)(DurationMs) AS "p90",
  quantileTDigest(0.95)(DurationMs) AS "p95",
  quantileTDigest(0.99)(DurationMs) AS "p99"
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND DurationMs > 0
GROUP BY time
ORDER BY time
