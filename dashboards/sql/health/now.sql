-- How is the collector, by what it last told of itself?
SELECT
  sumIf(value, figure = 'dead_letters') AS "Dead letters",
  sumIf(value, figure = 'requests_pending') AS "Requests pending",
  maxIfOrNull(value, figure = 'oldest_unsaved_age_seconds') AS "Oldest pending",
  maxIfOrNull(value, figure = 'journal_size_bytes') / minIfOrNull(value, figure = 'journal_limit_bytes') AS "Journal full",
  minIfOrNull(value, figure = 'save_success_ratio') AS "Inserts that succeed",
  minIfOrNull(value, figure = 'clickhouse_up') AS "ClickHouse answers",
  minIfOrNull(value, figure = 'uptime_seconds') AS "Up",
  max(toUnixTimestamp64Milli(told)) AS "Told"
FROM
(
  SELECT
    replaceOne(CAST(MetricName, 'String'), 'otel_interactions_collector_', '') AS figure,
    argMax(Value, TimeUnix) AS value,
    max(TimeUnix) AS told
  FROM otel.otel_metrics_gauge
  WHERE {{own}}
    AND TimeUnix > $__toTime - toIntervalMinute(10)
  GROUP BY figure, ResourceAttributes, Attributes
)
HAVING count() > 0
