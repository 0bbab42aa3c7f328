-- How full is the journal, of several collectors the fullest? From the limit on, requests are refused until ClickHouse has taken some.
SELECT
  $__timeInterval(TimeUnix) AS time,
  maxIf(Value, MetricName = 'otel_interactions_collector_journal_size_bytes') AS "journal",
  maxIf(Value, MetricName = 'otel_interactions_collector_journal_limit_bytes') AS "limit",
  maxIf(Value, MetricName = 'otel_interactions_collector_journal_segments') AS "segments"
FROM otel.otel_metrics_gauge
WHERE {{own}}
  AND startsWith(MetricName, 'otel_interactions_collector_journal_')
GROUP BY time
ORDER BY time
