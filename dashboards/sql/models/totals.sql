-- What the models read and wrote, and what it cost (USD). Where no price is known, there is no cost: the last number says how many calls lack one.
WITH
  {{> prices}}
SELECT
  sum(calls) AS "Calls",
  sum(input_tokens) AS "Tokens in",
  sum(output_tokens) AS "Tokens out",
  if(sum(input_tokens) = 0, NULL, least(1, sum(cached_tokens) / sum(input_tokens))) AS "From cache",
  sum(p.cost_usd) AS "Cost",
  sum(calls_without_cost) AS "Calls without a price"
FROM
(
  {{> priced}}
) AS p
