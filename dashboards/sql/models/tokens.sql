-- How many tokens were read and written? Those from a cache are among those read.
WITH
  {{> prices}}
SELECT
  at AS time,
  sum(p.input_tokens) AS "read",
  sum(p.cached_tokens) AS "of them cached",
  sum(p.output_tokens) AS "written",
  sum(p.reasoning_tokens) AS "of them reasoning"
FROM
(
  {{> priced}}
) AS p
GROUP BY time
ORDER BY time
