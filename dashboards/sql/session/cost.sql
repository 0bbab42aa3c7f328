-- What did the calls of models in this session cost (USD), and how many tokens did they take? A call's own cost where it tells one, else by otel.model_prices on its day. What an answer and the calls inside it both tell counts once.
WITH
  {{> prices}}
SELECT
  if(provider = '', 'unknown', provider) AS "Provider",
  if(model = '', 'unknown', model) AS "Model",
  sum(p.calls) AS "Calls",
  sum(p.input_tokens) AS "Tokens in",
  sum(p.cached_tokens) AS "Cached",
  sum(p.output_tokens) AS "Tokens out",
  sum(p.cost_usd) AS "Cost",
  sum(p.calls_without_cost) AS "Without a price"
FROM
(
  {{> priced}}
) AS p
WHERE decodeURLComponent('${session:percentencode}') != ''
GROUP BY "Provider", "Model"
ORDER BY "Cost" DESC NULLS LAST, "Tokens in" DESC, "Model"
