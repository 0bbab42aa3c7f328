-- Which traces does the session have, the one with most spans first?
SELECT TraceId AS trace_id, concat(substring(TraceId, 1, 8), ', ', toString(count()), ' spans from ', formatDateTime(min(Timestamp), '%F %T')) AS shown
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND SessionId = decodeURLComponent('${session:percentencode}')
  AND $__conditionalAll(Tenant IN (${tenant:singlequote}), $tenant)
GROUP BY trace_id
ORDER BY count() DESC, trace_id
LIMIT 50
