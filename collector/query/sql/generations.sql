-- How many answers and model calls were there each day (UTC), how long did they take, and how many failed?
-- Parameters: `since`, `until`: every day that they touch; `tenant`, '' for all. An `assistant_response` is what a user got, a
-- `generation` one call of a model, perhaps inside an answer: they are told apart and do not add up. From `daily_stats`.
SELECT
  s.day AS day,
  s.type AS type,
  sum(s.interactions) AS generations,
  if(sum(s.timed) = 0, NULL, sum(s.duration_ms) / sum(s.timed)) AS avg_generation_ms,
  sum(s.errors) AS failed,
  failed / generations AS error_rate
FROM otel.daily_stats_state AS s
WHERE ({tenant:String} = '' OR s.tenant = {tenant:String}) AND s.type IN ('assistant_response', 'generation')
  AND s.day BETWEEN toDate({since:DateTime64(9, 'UTC')}) AND toDate({until:DateTime64(9, 'UTC')} - toIntervalNanosecond(1))
GROUP BY day, type
ORDER BY day, type
