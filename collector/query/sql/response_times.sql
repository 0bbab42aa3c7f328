-- How long do people wait for an answer, and for its first token, by model?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all. Milliseconds; NULL where none was recorded. An
-- `assistant_response` is the whole answer, a `generation` one call of a model. Percentiles are estimates (t-digest).
SELECT
  type,
  model,
  answers,
  if(answers_timed = 0, NULL, times[1]) AS p50_ms,
  if(answers_timed = 0, NULL, times[2]) AS p90_ms,
  if(answers_timed = 0, NULL, times[3]) AS p95_ms,
  if(answers_timed = 0, NULL, times[4]) AS p99_ms,
  if(firsts_timed = 0, NULL, firsts[1]) AS ttft_p50_ms,
  if(firsts_timed = 0, NULL, firsts[2]) AS ttft_p90_ms,
  if(firsts_timed = 0, NULL, firsts[3]) AS ttft_p95_ms,
  if(firsts_timed = 0, NULL, firsts[4]) AS ttft_p99_ms
FROM
(
  SELECT
    CAST(InteractionType, 'String') AS type,
    CAST(if(ResponseModel != '', ResponseModel, Model), 'String') AS model,
    count() AS answers,
    countIf(DurationMs > 0) AS answers_timed,
    countIf(TtftMs > 0) AS firsts_timed,
    quantilesTDigestIf(0.5, 0.9, 0.95, 0.99)(DurationMs, DurationMs > 0) AS times,
    quantilesTDigestIf(0.5, 0.9, 0.95, 0.99)(TtftMs, TtftMs > 0) AS firsts
  FROM otel.otel_traces
  WHERE InteractionType IN ('assistant_response', 'generation') AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
  GROUP BY type, model
)
ORDER BY answers DESC, type, model
