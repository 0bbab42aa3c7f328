-- How many people were active on each day (UTC), and in the seven days up to and with it?
-- Parameters: `since`, `until`: every day that they touch; `tenant`, '' for all. Interactions that name no user count for their
-- session only. From `daily_stats`: numbers beyond some 60,000 are estimates. The same id in two tenants is two people.
WITH toDate({since:DateTime64(9, 'UTC')}) AS first_day, toDate({until:DateTime64(9, 'UTC')} - toIntervalNanosecond(1)) AS last_day
SELECT
  on_day AS day,
  sum(of_day_alone) AS daily_active_users,
  sum(of_week) AS weekly_active_users,
  sum(sessions_of_day) AS sessions
FROM
(
  SELECT
    of_tenant,
    of_day + ago AS on_day,
    uniqIfMergeIf(users, ago = 0) AS of_day_alone,
    uniqIfMerge(users) AS of_week,
    uniqMergeIf(sessions, ago = 0) AS sessions_of_day
  FROM
  (
    SELECT s.tenant AS of_tenant, s.day AS of_day, uniqIfMergeState(s.users) AS users, uniqMergeState(s.sessions) AS sessions
    FROM otel.daily_stats_state AS s
    WHERE ({tenant:String} = '' OR s.tenant = {tenant:String}) AND s.day BETWEEN first_day - 6 AND last_day
    GROUP BY of_tenant, of_day
  )
  ARRAY JOIN range(7) AS ago
  GROUP BY of_tenant, on_day
)
WHERE on_day BETWEEN first_day AND last_day
GROUP BY on_day
ORDER BY on_day
