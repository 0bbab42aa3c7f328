-- Which share of the tokens that each model read came from a cache?
WITH
  {{> prices}}
SELECT
  at AS time,
  if(model = '', 'unknown', model) AS series,
  least(1, sum(cached_tokens) / sum(input_tokens)) AS share
FROM
(
  {{> priced}}
)
GROUP BY time, series
HAVING sum(input_tokens) > 0
ORDER BY time, series
