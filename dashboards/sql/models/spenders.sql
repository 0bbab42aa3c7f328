-- Who cost most (USD)? The first 50. The same id in two tenants is two people.
WITH
  {{> prices}}
SELECT
  user AS "User",
  tenant AS "Tenant",
  sum(p.calls) AS "Calls",
  sum(p.input_tokens) AS "Tokens in",
  sum(p.output_tokens) AS "Tokens out",
  sum(p.cost_usd) AS "Cost",
  topK(1)(model)[1] AS "Mostly"
FROM
(
  {{> priced}}
) AS p
WHERE user != ''
GROUP BY tenant, user
ORDER BY "Cost" DESC NULLS LAST, "Tokens in" + "Tokens out" DESC, "User", "Tenant"
LIMIT 50
