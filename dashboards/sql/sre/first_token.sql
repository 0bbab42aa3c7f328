-- How long do people wait for the first token of an answer, where it was recorded?
SELECT
  $__timeInterval(Timestamp) AS time,
  quantileTDigest(0.5)(TtftMs) AS "p50",
  quantileTDigest(0.9)(TtftMs) AS "p90",
  quantileTDigest(0.95)(TtftMs) AS "p95",
  quantileTDigest(0.99)(TtftMs) AS "p99"
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND TtftMs > 0
GROUP BY time
ORDER BY time
