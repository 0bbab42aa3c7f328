-- Which values are there in this time? One with a backslash or a dollar is not offered: Grafana's quotes do not hold it.
SELECT DISTINCT tenant
FROM otel.daily_stats_state
WHERE $__dateFilter(day) AND tenant != '' AND NOT match(tenant, '[\\\\$]')
ORDER BY tenant
