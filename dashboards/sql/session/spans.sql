-- The same trace as a table: tokens, cost (USD) and times of each call, which the trace view has no columns for. A cost is the span's own, else by otel.model_prices on its day. An answer and the calls inside it may tell the same tokens.
WITH
  {{> prices}},
  toDate(Timestamp, 'UTC') AS day,
  if(CachedTokens > InputTokens, InputTokens, InputTokens - CachedTokens) AS uncached,
  arrayFilter(p -> p.1 IN ('', Tenant) AND (p.2 = '' OR Provider = '' OR p.2 = Provider) AND p.4 <= day
    AND (fits(p.3, ResponseModel) OR fits(p.3, Model)), if(InputTokens + OutputTokens > 0, prices, [])) AS fitting,
  arrayReverseSort(p -> (fits(p.3, ResponseModel), p.1 != '', NOT endsWith(p.3, '*'), length(p.3), p.2 != '', p.4), fitting)[1] AS price,
  if(empty(fitting) OR (CachedTokens > 0 AND isNull(price.6)), NULL,
    (uncached * price.5 + CachedTokens * ifNull(price.6, 0) + OutputTokens * price.7) / 1000000) AS computed
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
  ifNull(CostUsd, computed) AS "Cost",
  FinishReason AS "Finish",
  ErrorType AS "Error"
FROM otel.otel_traces
WHERE TraceId = decodeURLComponent('${trace:percentencode}') AND TraceId != ''
  AND $__conditionalAll(Tenant IN (${tenant:singlequote}), $tenant)
  AND $__timeFilter(Timestamp)
ORDER BY Timestamp, SpanId
LIMIT 1000
