-- The same trace as a table: tokens, cost and times of each call, which the trace view has no columns for.
SELECT
  Timestamp AS "Time",
  SpanName AS "Span",
  InteractionType AS "Type",
  DurationMs AS "Duration",
  if(TtftMs > 0, TtftMs, NULL) AS "First token",
  if(ResponseModel != '', ResponseModel, Model) AS "Model",
  InputTokens AS "Tokens in",
  CachedTokens AS "Cached",
  OutputTokens AS "Tokens out",
  CostUsd AS "Cost",
  FinishReason AS "Finish",
  ErrorType AS "Error"
FROM otel.otel_traces
WHERE TraceId = decodeURLComponent('${trace:percentencode}') AND TraceId != ''
  AND $__conditionalAll(Tenant IN (${tenant:singlequote}), $tenant)
  AND $__timeFilter(Timestamp)
ORDER BY Timestamp, SpanId
LIMIT 1000
