-- Which tools were called, how often did they fail, and how long did they take?
SELECT
  ToolName AS "Tool",
  count() AS "Calls",
  countIf(StatusCode = 'Error') AS "Failed",
  "Failed" / "Calls" AS "Share",
  quantileTDigest(0.5)(DurationMs) AS "p50",
  quantileTDigest(0.95)(DurationMs) AS "p95",
  topKIf(1)(ErrorType, ErrorType != '')[1] AS "Commonest error"
FROM otel.otel_traces
WHERE {{interactions -type -model}}
  AND InteractionType = 'tool_call'
GROUP BY ToolName
ORDER BY "Failed" DESC, "Calls" DESC, "Tool"
LIMIT 50
