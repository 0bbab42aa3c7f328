-- Which values are there in this time? One with a backslash or a dollar is not offered: Grafana's quotes do not hold it.
SELECT DISTINCT type
FROM otel.daily_stats_state
WHERE $__dateFilter(day) AND type != '' AND NOT match(type, '[\\\\$]')
ORDER BY type
