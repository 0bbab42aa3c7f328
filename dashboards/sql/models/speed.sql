-- How long do answers and their first tokens take, and how many tokens a second, by model? An answer and a call of a model inside it are told apart.
SELECT
  InteractionType AS "Type",
  if(ResponseModel != '', ResponseModel, Model) AS "Model",
  count() AS "Answers",
  quantileTDigestIfOrNull(0.5)(DurationMs, DurationMs > 0) AS "p50",
  quantileTDigestIfOrNull(0.95)(DurationMs, DurationMs > 0) AS "p95",
  quantileTDigestIfOrNull(0.5)(TtftMs, TtftMs > 0) AS "First token, p50",
  quantileTDigestIfOrNull(0.95)(TtftMs, TtftMs > 0) AS "First token, p95",
  if(sumIf(DurationMs, OutputTokens > 0) = 0, NULL, 1000 * sum(OutputTokens) / sumIf(DurationMs, OutputTokens > 0)) AS "Tokens a second",
  countIf(StatusCode = 'Error') / count() AS "Failed"
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND "Model" != ''
GROUP BY InteractionType, "Model"
ORDER BY "Answers" DESC, "Model", "Type"
LIMIT 100
