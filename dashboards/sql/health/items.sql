-- How many spans, log records and data points were received, refused, journaled, stored and set aside each time?
SELECT time, fate AS series, sum(risen) AS items
FROM
(
  SELECT time, fate, greatest(0, highest - lagInFrame(highest, 1, highest) OVER (PARTITION BY counter, fate ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) AS risen
  FROM
  (
    SELECT
      $__timeInterval(TimeUnix) AS time,
      cityHash64(ResourceAttributes, Attributes) AS counter,
      extract(CAST(MetricName, 'String'), '_items_([a-z]+?)(?:_total)?$') AS fate,
      max(Value) AS highest
    FROM otel.otel_metrics_sum
    WHERE {{own}}
      AND MetricName LIKE '%\_items\_%'
    GROUP BY time, counter, fate
  )
)
GROUP BY time, series
ORDER BY time, series
