-- How does the page feel: three of four times no more than this (p75, as web vitals are judged)? Milliseconds, CLS without a unit.
SELECT $__timeInterval(Timestamp) AS time, MetricName AS series, quantileTDigest(0.75)(assumeNotNull(MetricValue)) AS p75
FROM otel.otel_traces
WHERE {{interactions -type}}
  AND InteractionType = 'performance_metric' AND isNotNull(MetricValue)
GROUP BY time, series
ORDER BY time, series
