-- Which share of the calls of the worst tool failed, of those with 10 calls at least?
SELECT max(share) AS value
FROM
(
  SELECT ToolName, if(count() < 10, 0, countIf(StatusCode = 'Error') / count()) AS share
  FROM otel.otel_traces
  WHERE $__timeFilter(Timestamp) AND InteractionType = 'tool_call'
  GROUP BY ToolName
)
