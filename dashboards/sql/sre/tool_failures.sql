-- Which share of each tool's calls failed?
SELECT $__timeInterval(Timestamp) AS time, ToolName AS series, countIf(StatusCode = 'Error') / count() AS share
FROM otel.otel_traces
WHERE {{interactions -type -model}}
  AND InteractionType = 'tool_call'
GROUP BY time, series
ORDER BY time, series
