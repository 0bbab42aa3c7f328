-- What failed, and what does it say?
SELECT
  ts AS "Time",
  type AS "Type",
  error_type AS "Error",
  substringUTF8(error_message, 1, 2000) AS "Message",
  component AS "Component",
  critical AS "Critical",
  substringUTF8(stack, 1, 4000) AS "Stack"
FROM otel.interactions
WHERE session_id = decodeURLComponent('${session:percentencode}')
  AND (type = 'error' OR (status = 'error' AND type != 'session_end'))
  AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant)
  AND $__timeFilter(ts)
ORDER BY ts, span_id
LIMIT 500
