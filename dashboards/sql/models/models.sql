-- Each provider and model: calls, tokens, cost (USD).
WITH
  {{> prices}}
SELECT
  if(provider = '', 'unknown', provider) AS "Provider",
  if(model = '', 'unknown', model) AS "Model",
  sum(p.calls) AS "Calls",
  sum(p.input_tokens) AS "Tokens in",
  sum(p.cached_tokens) AS "Cached",
  sum(p.output_tokens) AS "Tokens out",
  sum(p.reasoning_tokens) AS "Reasoning",
  sum(p.cost_usd) AS "Cost",
  if("Calls" = 0, NULL, "Cost" / "Calls") AS "Cost a call",
  sum(p.calls_without_cost) AS "Without a price"
FROM
(
  {{> priced}}
) AS p
GROUP BY "Provider", "Model"
ORDER BY "Cost" DESC NULLS LAST, "Tokens in" DESC, "Model"
LIMIT 100
