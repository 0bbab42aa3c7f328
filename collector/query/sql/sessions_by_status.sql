-- How many of the sessions that began in this time are active, ended or abandoned now, and how long and full were they?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all.
SELECT
  status,
  end_reason,
  count() AS sessions,
  avg(duration_ms) / 1000 AS avg_duration_seconds,
  avg(s.interactions) AS avg_interactions,
  avg(s.user_messages) AS avg_user_messages,
  countIf(s.errors > 0) AS with_errors
FROM otel.sessions AS s
WHERE ({tenant:String} = '' OR tenant = {tenant:String})
  AND started_at >= {since:DateTime64(9, 'UTC')} AND started_at < {until:DateTime64(9, 'UTC')}
GROUP BY status, end_reason
ORDER BY sessions DESC, status, end_reason
