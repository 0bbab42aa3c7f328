-- How long do people wait for the first token of an answer, where it was recorded? Click a point for the slowest one's trace.
WITH TtftMs AS waited
SELECT
  $__timeInterval(Timestamp) AS time,
  quantileTDigest(0.5)(waited) AS "p50",
  quantileTDigest(0.9)(waited) AS "p90",
  quantileTDigest(0.95)(waited) AS "p95",
  quantileTDigest(0.99)(waited) AS "p99",
  {{> exemplar}}
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND waited > 0
GROUP BY time
ORDER BY time
