-- What was said, in order: one conversation whatever recorded it, no message twice. Long texts are cut at 4,000 characters.
SELECT
  ts AS "Time",
  turn AS "Turn",
  role AS "Role",
  substringUTF8(text, 1, 4000) AS "Text",
  tool_name AS "Tool",
  substringUTF8(tool_arguments, 1, 1000) AS "Arguments",
  substringUTF8(tool_result, 1, 1000) AS "Result",
  model AS "Model"
FROM otel.transcript
WHERE session_id = decodeURLComponent('${session:percentencode}')
  AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant)
