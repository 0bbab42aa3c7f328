-- Which tools were called, with what, and what came of it? Long texts are cut at 2,000 characters.
SELECT
  ts AS "Time",
  tool_name AS "Tool",
  status AS "Status",
  duration_ms AS "Duration",
  substringUTF8(tool_arguments, 1, 2000) AS "Arguments",
  substringUTF8(tool_result, 1, 2000) AS "Result",
  error_type AS "Error"
FROM otel.interactions
WHERE {{rows_of_session}}
  AND type = 'tool_call'
ORDER BY ts, span_id
LIMIT 500
