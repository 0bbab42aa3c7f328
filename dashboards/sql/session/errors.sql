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
WHERE {{rows_of_session}}
  AND (type = 'error' OR (status = 'error' AND type != 'session_end'))
ORDER BY ts, span_id
LIMIT 500
