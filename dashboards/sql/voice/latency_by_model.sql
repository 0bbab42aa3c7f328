-- The same by model, with the number of turns, and of those whose time is known.
SELECT
  if(model = '', 'unknown', model) AS "Model",
  count() AS "Turns",
  count(latency) AS "Timed",
  quantileExactOrNull(0.5)(latency) AS "p50",
  quantileExactOrNull(0.95)(latency) AS "p95",
  quantileExactOrNull(0.99)(latency) AS "p99"
FROM
(
  {{> turns}}
)
WHERE $__conditionalAll(model IN (${model:singlequote}), $model)
GROUP BY model
ORDER BY "Turns" DESC, "Model"
LIMIT 50
