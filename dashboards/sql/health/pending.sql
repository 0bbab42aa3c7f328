-- How long has the oldest acknowledged request waited for ClickHouse, and how many wait, of several collectors at the worst?
SELECT
  $__timeInterval(TimeUnix) AS time,
  maxIf(Value, MetricName = 'otel_interactions_collector_oldest_unsaved_age_seconds') AS "oldest",
  maxIf(Value, MetricName = 'otel_interactions_collector_requests_pending') AS "requests"
FROM otel.otel_metrics_gauge
WHERE {{own}}
  AND MetricName IN ('otel_interactions_collector_oldest_unsaved_age_seconds', 'otel_interactions_collector_requests_pending')
GROUP BY time
ORDER BY time
