-- How many requests and segments lie in dead-letters/? `otel-interactions dead-letters list` says which and why.
SELECT $__timeInterval(TimeUnix) AS time, max(Value) AS "dead letters"
FROM otel.otel_metrics_gauge
WHERE {{own}}
  AND MetricName = 'otel_interactions_collector_dead_letters'
GROUP BY time
ORDER BY time
