-- How many tokens did each model take and give?
WITH
  {{> prices}}
SELECT
  at AS time,
  if(model = '', 'unknown', model) AS series,
  sum(input_tokens + output_tokens) AS tokens
FROM
(
  {{> priced}}
)
GROUP BY time, series
ORDER BY time, series
