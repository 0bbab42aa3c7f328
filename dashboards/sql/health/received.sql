-- How many spans, log records and data points a second have been received and stored, by when they were received?
SELECT time, series, sum(items) / {{> bucket_seconds}} AS rate
FROM
(
  SELECT $__timeInterval(ReceivedAt) AS time, 'spans' AS series, count() AS items
  FROM otel.otel_traces
  WHERE {{received}}
  GROUP BY time
  UNION ALL
  SELECT $__timeInterval(ReceivedAt) AS time, 'log records' AS series, count() AS items
  FROM otel.otel_logs
  WHERE {{received}}
  GROUP BY time
  UNION ALL
  SELECT $__timeInterval(ReceivedAt) AS time, 'data points' AS series, count() AS items
  FROM
  (
    SELECT Tenant, ServiceName, ReceivedAt, TimeUnix AS Timestamp FROM otel.otel_metrics_gauge
    UNION ALL
    SELECT Tenant, ServiceName, ReceivedAt, TimeUnix AS Timestamp FROM otel.otel_metrics_sum
    UNION ALL
    SELECT Tenant, ServiceName, ReceivedAt, TimeUnix AS Timestamp FROM otel.otel_metrics_histogram
    UNION ALL
    SELECT Tenant, ServiceName, ReceivedAt, TimeUnix AS Timestamp FROM otel.otel_metrics_exponential_histogram
    UNION ALL
    SELECT Tenant, ServiceName, ReceivedAt, TimeUnix AS Timestamp FROM otel.otel_metrics_summary
  )
  WHERE {{received}}
  GROUP BY time
)
GROUP BY time, series
ORDER BY time, series
