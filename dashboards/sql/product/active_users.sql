-- How many people were active on each day (UTC), and in the seven days up to and with it? Interactions that name no user count for none. Numbers beyond some 60,000 are estimates.
SELECT toDateTime(on_day, 'UTC') AS time, sum(of_day_alone) AS "daily", sum(of_week) AS "weekly"
FROM
(
  SELECT
    tenant,
    of_day + ago AS on_day,
    uniqIfMergeIf(users, ago = 0) AS of_day_alone,
    uniqIfMerge(users) AS of_week
  FROM
  (
    SELECT tenant, day AS of_day, uniqIfMergeState(s.users) AS users
    FROM otel.daily_stats_state AS s
    WHERE $__timeFrom(day + 7) AND $__timeTo(day)
      AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant)
      AND $__conditionalAll(service IN (${service:singlequote}), $service)
    GROUP BY tenant, of_day
  )
  ARRAY JOIN range(7) AS ago
  GROUP BY tenant, on_day
)
WHERE on_day >= toDate($__fromTime, 'UTC') AND on_day <= toDate($__toTime, 'UTC')
GROUP BY time
ORDER BY time
