-- How many tokens were read and written, and what did it cost (USD), by model, user or day?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `by`: any of ['day', 'model', 'user'], what is not named
-- is ''. Tokens count once: of the answers of a session and the calls of models inside them, those with more tokens. The cost is
-- the span's own where it has one, else that of otel.model_prices on the day of the call (UTC). A cost that nobody knows is
-- NULL and not 0; it is not in a sum, and calls_without_cost says how many lack.
WITH
  (
    SELECT groupArray((tenant, provider, model, valid_from, input_usd, cached_input_usd, output_usd))
    FROM otel.model_prices FINAL
  ) AS prices,
  (pattern, name) -> name != '' AND if(
    endsWith(pattern, '*'), startsWith(name, substring(pattern, 1, length(pattern) - 1)), pattern = name) AS fits
SELECT
  if(has({by:Array(String)}, 'day'), toString(call_day), '') AS day,
  if(has({by:Array(String)}, 'model'), if(answered_by != '', answered_by, asked), '') AS model,
  part.1 AS user,
  sum(part.3) AS calls,
  sum(part.4) AS input_tokens,
  sum(part.5) AS cached_tokens,
  sum(part.6) AS output_tokens,
  sum(part.7) AS reasoning_tokens,
  sumArray([part.8, computed]) AS cost_usd,
  sumIf(part.9, isNull(computed)) AS calls_without_cost
FROM
(
  SELECT
    call_day,
    asked,
    answered_by,
    arrayFilter(p -> p.1 IN ('', of_tenant) AND (p.2 = '' OR of_provider = '' OR p.2 = of_provider) AND p.4 <= call_day
      AND (fits(p.3, answered_by) OR fits(p.3, asked)), prices) AS fitting,
    arrayReverseSort(p -> (
      fits(p.3, answered_by), p.1 != '', NOT endsWith(p.3, '*'), length(p.3), p.2 != '', p.4), fitting)[1] AS price,
    arrayJoin(parts) AS part,
    if(empty(fitting) OR part.9 = 0 OR (part.2 AND isNull(price.6)), NULL,
      (part.10 * price.5 + part.11 * ifNull(price.6, 0) + part.12 * price.7) / 1000000) AS computed
  FROM
  (
    SELECT
      of_tenant,
      call_day,
      of_provider,
      asked,
      answered_by,
      groupArray((user, from_cache, calls, input, cached, output, reasoning, recorded,
        to_price, input_to_price, cached_to_price, output_to_price)) AS parts
    FROM
    (
      WITH
        (c.InteractionType = 'assistant_response') = s.by_answers AS counts,
        counts AND isNull(c.CostUsd) AND NOT s.told_elsewhere AS prices_it,
        if(c.CachedTokens > c.InputTokens, toInt64(c.InputTokens), c.InputTokens - c.CachedTokens) AS uncached
      SELECT
        c.Tenant AS of_tenant,
        toDate(c.Timestamp, 'UTC') AS call_day,
        c.Provider AS of_provider,
        c.Model AS asked,
        c.ResponseModel AS answered_by,
        if(has({by:Array(String)}, 'user'), c.UserId, '') AS user,
        c.CachedTokens > 0 AS from_cache,
        countIf(counts) AS calls,
        sumIf(c.InputTokens, counts) AS input,
        sumIf(c.CachedTokens, counts) AS cached,
        sumIf(c.OutputTokens, counts) AS output,
        sumIf(c.ReasoningTokens, counts) AS reasoning,
        sum(c.CostUsd) AS recorded,
        countIf(prices_it) AS to_price,
        sumIf(uncached, prices_it) AS input_to_price,
        sumIf(c.CachedTokens, prices_it) AS cached_to_price,
        sumIf(c.OutputTokens, prices_it) AS output_to_price
      FROM otel.otel_traces AS c
      INNER JOIN
      (
        SELECT
          Tenant,
          SessionId,
          sumIf(InputTokens + OutputTokens, InteractionType = 'assistant_response')
            > sumIf(InputTokens + OutputTokens, InteractionType = 'generation') AS by_answers,
          countIf(isNotNull(CostUsd) AND InteractionType = 'assistant_response') > 0 AS answers_tell,
          countIf(isNotNull(CostUsd) AND InteractionType = 'generation') > 0 AS generations_tell,
          if(by_answers, generations_tell, answers_tell) AS told_elsewhere
        FROM otel.otel_traces
        WHERE InteractionType IN ('assistant_response', 'generation') AND (InputTokens + OutputTokens > 0 OR isNotNull(CostUsd))
          AND ({tenant:String} = '' OR Tenant = {tenant:String})
          AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
        GROUP BY Tenant, SessionId
      ) AS s ON s.Tenant = c.Tenant AND s.SessionId = c.SessionId
      WHERE c.InteractionType IN ('assistant_response', 'generation')
        AND (c.InputTokens + c.OutputTokens > 0 OR isNotNull(c.CostUsd)) AND ({tenant:String} = '' OR c.Tenant = {tenant:String})
        AND c.Timestamp >= {since:DateTime64(9, 'UTC')} AND c.Timestamp < {until:DateTime64(9, 'UTC')}
      GROUP BY of_tenant, call_day, of_provider, asked, answered_by, user, from_cache
    )
    GROUP BY of_tenant, call_day, of_provider, asked, answered_by
  )
)
GROUP BY day, model, user
ORDER BY cost_usd DESC NULLS LAST, input_tokens + output_tokens DESC, day, model, user
