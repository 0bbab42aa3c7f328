-- How much waits in the journal, of several collectors the fullest? `Journal full` above is its share of --journal-max-bytes, from which on requests are refused.
SELECT
  $__timeInterval(TimeUnix) AS time,
  maxIf(Value, MetricName = 'otel_interactions_collector_journal_size_bytes') AS "journal",
  maxIf(Value, MetricName = 'otel_interactions_collector_journal_segments') AS "segments"
FROM otel.otel_metrics_gauge
WHERE {{own}}
  AND MetricName IN ('otel_interactions_collector_journal_size_bytes', 'otel_interactions_collector_journal_segments')
GROUP BY time
ORDER BY time
