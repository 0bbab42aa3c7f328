-- How many requests and segments lie in dead-letters/ of all collectors? `otel-interactions dead-letters list` says which and why.
SELECT time, sum(letters) AS "dead letters"
FROM
(
  SELECT $__timeInterval(TimeUnix) AS time, argMax(Value, TimeUnix) AS letters
  FROM otel.otel_metrics_gauge
  WHERE {{own}}
    AND MetricName = 'otel_interactions_collector_dead_letters'
  GROUP BY time, ResourceAttributes, Attributes
)
GROUP BY time
ORDER BY time
