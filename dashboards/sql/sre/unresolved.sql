-- Which errors has nobody settled yet, how often did they happen, to how many, and what does the latest say? The latest first.
SELECT
  error_type AS "Error",
  type AS "Type",
  component AS "Component",
  service AS "Service",
  count() AS "Times",
  countIf(critical) AS "Critical",
  min(ts) AS "First",
  max(ts) AS "Last",
  uniqExact(tenant, session_id) AS "Sessions",
  substringUTF8(argMax(error_message, (ts, error_message)), 1, 500) AS "Says",
  argMax(session_id, (ts, error_message)) AS session,
  argMax(tenant, (ts, error_message)) AS tenant_of_it,
  toString(toUnixTimestamp64Milli(max(ts)) - 3600000) AS from_ms,
  toString(toUnixTimestamp64Milli(max(ts)) + 3600000) AS to_ms
FROM otel.interactions
WHERE {{rows}}
  AND (type = 'error' OR (status = 'error' AND type != 'session_end'))
  AND (tenant, trace_id, span_id) NOT IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE resolved)
  AND (attributes['interaction.resolved'] != 'true'
    OR (tenant, trace_id, span_id) IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE NOT resolved))
GROUP BY error_type, type, component, service
ORDER BY "Last" DESC, "Times" DESC, "Error"
LIMIT 100
