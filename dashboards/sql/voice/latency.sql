-- How long does the assistant take to begin, from where the user ended? The time to the first chunk of the answer where it was recorded, else until its sound began.
SELECT
  $__timeInterval(asked_at) AS time,
  quantileExact(0.5)(assumeNotNull(latency)) AS "p50",
  quantileExact(0.9)(assumeNotNull(latency)) AS "p90",
  quantileExact(0.95)(assumeNotNull(latency)) AS "p95",
  quantileExact(0.99)(assumeNotNull(latency)) AS "p99"
FROM
(
  {{> turns}}
)
WHERE isNotNull(latency)
  AND $__conditionalAll(model IN (${model:singlequote}), $model)
GROUP BY time
ORDER BY time
