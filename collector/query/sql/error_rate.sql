-- Which share of each service's interactions failed each day (UTC)?
-- Parameters: `since`, `until`: every day that they touch; `tenant`, '' for all. Errors are what sessions count: each `error`, and
-- whatever failed, save the end of a session that did. From `daily_stats`.
SELECT
  s.day AS day,
  s.service AS service,
  sum(s.interactions) AS interactions,
  sum(s.errors) AS errors,
  errors / interactions AS error_rate
FROM otel.daily_stats_state AS s
WHERE ({tenant:String} = '' OR s.tenant = {tenant:String})
  AND s.day BETWEEN toDate({since:DateTime64(9, 'UTC')}) AND toDate({until:DateTime64(9, 'UTC')} - toIntervalNanosecond(1))
GROUP BY day, service
ORDER BY day, service
