-- How many requests and segments lie in dead-letters/, as the collector last told? Needs its own figures in ClickHouse, see dashboards/README.md.
SELECT sum(value) AS value
FROM
(
  SELECT argMax(Value, TimeUnix) AS value
  FROM otel.otel_metrics_gauge
  WHERE $__timeFilter(TimeUnix) AND MetricName = 'otel_interactions_collector_dead_letters'
  GROUP BY ResourceAttributes, Attributes
)
