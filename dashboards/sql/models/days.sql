-- What did each day (UTC) cost, of which provider (USD)?
WITH
  {{> prices}}
SELECT
  day AS time,
  if(provider = '', 'unknown', provider) AS series,
  sum(p.cost_usd) AS cost
FROM
(
  {{> priced}}
) AS p
GROUP BY time, series
ORDER BY time, series
