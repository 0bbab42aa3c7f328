-- How many sessions are active at this moment: nobody ended them, and they are not idle for longer than their tenant says. Whatever the time above.
WITH
  (SELECT argMax(session_idle_seconds, updated_at) FROM otel.tenant_settings WHERE tenant = '') AS default_idle_seconds,
  (SELECT mapFromArrays(groupArray(t), groupArray(s)) FROM (
    SELECT tenant AS t, argMax(session_idle_seconds, updated_at) AS s FROM otel.tenant_settings WHERE tenant != '' GROUP BY tenant HAVING s > 0)
  ) AS idle_seconds_of,
  greatest(default_idle_seconds, arrayMax(arrayPushBack(mapValues(idle_seconds_of), 0))) AS longest_idle_seconds
SELECT count() AS "Active now"
FROM
(
  SELECT tenant, max(last_activity_at) AS last_activity
  FROM otel.sessions_state
  WHERE (tenant, session_id) IN (
    SELECT tenant, session_id
    FROM otel.sessions_state
    WHERE last_activity_at >= now64(9, 'UTC') - toIntervalSecond(least(ceil(longest_idle_seconds), 1e9))
      AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant))
  GROUP BY tenant, session_id
  HAVING NOT (max(last_end_at) > toDateTime64(0, 9, 'UTC') AND max(last_end_at) >= max(last_start_at))
)
WHERE dateDiff('millisecond', last_activity, now64(9, 'UTC')) / 1000
  <= if(mapContains(idle_seconds_of, tenant), idle_seconds_of[tenant], default_idle_seconds)
