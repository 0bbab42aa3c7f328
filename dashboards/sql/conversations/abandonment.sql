-- Which share of the sessions that are over was abandoned, by when they began? Nobody ended them, and nothing happened for the tenant's idle time.
SELECT
  $__timeInterval(started_at) AS time,
  countIf(status = 'abandoned') / count() AS "abandoned"
FROM otel.sessions
WHERE {{begun}}
  AND status != 'active'
GROUP BY time
ORDER BY time
