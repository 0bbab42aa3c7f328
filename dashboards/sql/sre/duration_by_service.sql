-- How long did 95 of 100 interactions take at most, by service? Those that take a time.
SELECT $__timeInterval(Timestamp) AS time, ServiceName AS series, quantileTDigest(0.95)(DurationMs) AS p95
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation', 'tool_call', 'agent_run', 'retrieval')
  AND DurationMs > 0
GROUP BY time, series
ORDER BY time, series
