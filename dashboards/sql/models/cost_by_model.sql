-- What did each model cost (USD)?
WITH
  {{> prices}}
SELECT
  at AS time,
  if(model = '', 'unknown', model) AS series,
  sum(p.cost_usd) AS cost
FROM
(
  {{> priced}}
) AS p
GROUP BY time, series
ORDER BY time, series
