-- Which environments (deployment.environment.name) are there in this time? See tenant.sql for what is left out.
SELECT DISTINCT Environment AS environment
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND Environment != '' AND NOT match(Environment, '[\\\\$]')
ORDER BY environment
