-- How many people were there on the last day of this time (UTC), in the seven days up to it, and in the 28 days up to it? Stickiness is the share of the week's people on a day. Numbers beyond some 60,000 are estimates, the same id in two tenants is two people.
SELECT
  sum(of_day) AS "On the day",
  sum(of_week) AS "In 7 days",
  sum(of_month) AS "In 28 days",
  if(sum(of_week) = 0, NULL, sum(of_day) / sum(of_week)) AS "Stickiness",
  sum(sessions_of_day) AS "Sessions on the day"
FROM
(
  WITH toDate($__toTime, 'UTC') AS last_day
  SELECT
    uniqIfMergeIf(users, day = last_day) AS of_day,
    uniqIfMergeIf(users, day > last_day - 7) AS of_week,
    uniqIfMerge(users) AS of_month,
    uniqMergeIf(sessions, day = last_day) AS sessions_of_day
  FROM otel.daily_stats_state
  WHERE day <= last_day AND day > last_day - 28
    AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant)
    AND $__conditionalAll(service IN (${service:singlequote}), $service)
  GROUP BY tenant
)
