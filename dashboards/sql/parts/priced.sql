-- The calls of models with what they cost, by time, tenant, service, provider, model and user, a question puts them together once more. The rules are those
-- of collector/query/sql/tokens_and_cost.sql: of the answers of a session and the calls of models inside them, those with more
-- tokens count. The cost is the span's own where it has one, else that of otel.model_prices on the day of the call (UTC), NULL
-- where nobody knows it.
SELECT
    part.1 AS at,
    call_day AS day,
    of_tenant AS tenant,
    of_provider AS provider,
    if(answered_by != '', answered_by, asked) AS model,
    part.2 AS user,
    part.4 AS calls,
    part.5 AS input_tokens,
    part.6 AS cached_tokens,
    part.7 AS output_tokens,
    part.8 AS reasoning_tokens,
    arrayFilter(p -> p.1 IN ('', of_tenant) AND (p.2 = '' OR of_provider = '' OR p.2 = of_provider) AND p.4 <= call_day
      AND (fits(p.3, answered_by) OR fits(p.3, asked)), prices) AS fitting,
    arrayReverseSort(p -> (fits(p.3, answered_by), p.1 != '', NOT endsWith(p.3, '*'), length(p.3), p.2 != '', p.4), fitting)[1] AS price,
    if(empty(fitting) OR part.10 = 0 OR (part.3 AND isNull(price.6)), NULL,
      (part.11 * price.5 + part.12 * ifNull(price.6, 0) + part.13 * price.7) / 1000000) AS computed,
    if(isNull(part.9) AND isNull(computed), NULL, ifNull(part.9, 0) + ifNull(computed, 0)) AS cost_usd,
    if(isNull(computed), part.10, 0) AS calls_without_cost
  FROM
  (
    SELECT
      of_tenant, call_day, of_provider, asked, answered_by,
      groupArray((moment, user, from_cache, calls, input, cached, output, reasoning, recorded, to_price, input_to_price, cached_to_price, output_to_price)) AS parts
    FROM
    (
      WITH
        c.is_answer = by_answers AS counts,
        counts AND isNull(c.cost) AND NOT told_elsewhere AS prices_it,
        if(c.cached > c.input, toInt64(c.input), c.input - c.cached) AS uncached
      SELECT
        Tenant AS of_tenant,
        c.day AS call_day,
        c.moment AS moment,
        c.provider AS of_provider,
        c.asked AS asked,
        c.answered AS answered_by,
        c.user AS user,
        c.cached > 0 AS from_cache,
        countIf(counts) AS calls,
        sumIf(c.input, counts) AS input,
        sumIf(c.cached, counts) AS cached,
        sumIf(c.output, counts) AS output,
        sumIf(c.reasoning, counts) AS reasoning,
        sum(c.cost) AS recorded,
        countIf(prices_it) AS to_price,
        sumIf(uncached, prices_it) AS input_to_price,
        sumIf(c.cached, prices_it) AS cached_to_price,
        sumIf(c.output, prices_it) AS output_to_price
      FROM
      (
        WITH InteractionType = 'assistant_response' AS is_answer, InputTokens + OutputTokens AS tokens
        SELECT
          Tenant,
          SessionId,
          sumIf(tokens, is_answer) > sumIf(tokens, NOT is_answer) AS by_answers,
          countIf(isNotNull(CostUsd) AND is_answer) > 0 AS answers_tell,
          countIf(isNotNull(CostUsd) AND NOT is_answer) > 0 AS generations_tell,
          if(by_answers, generations_tell, answers_tell) AS told_elsewhere,
          groupArray((toDate(Timestamp, 'UTC'), $__timeInterval(Timestamp), Provider, Model, ResponseModel, UserId, is_answer,
              InputTokens, CachedTokens, OutputTokens, ReasoningTokens, CostUsd)
            ::Tuple(day Date, moment DateTime, provider LowCardinality(String), asked LowCardinality(String), answered LowCardinality(String), user String, is_answer Bool,
              input UInt64, cached UInt64, output UInt64, reasoning UInt64, cost Nullable(Float64))) AS made
        FROM otel.otel_traces
        WHERE {{interactions -model -user}}
          AND InteractionType IN ('assistant_response', 'generation') AND (tokens > 0 OR isNotNull(CostUsd))
        GROUP BY Tenant, SessionId
      )
      ARRAY JOIN made AS c
      WHERE {{calls}}
      GROUP BY of_tenant, call_day, moment, of_provider, asked, answered_by, user, from_cache
      HAVING calls > 0 OR isNotNull(recorded)
    )
    GROUP BY of_tenant, call_day, of_provider, asked, answered_by
  )
  ARRAY JOIN parts AS part
