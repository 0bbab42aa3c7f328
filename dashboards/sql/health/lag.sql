-- How long after its end does an interaction reach the collector? What seems to come before it ended is of a sender whose clock is ahead and counts as 0.
SELECT
  $__timeInterval(ReceivedAt) AS time,
  quantileTDigest(0.5)(lag) AS "p50",
  quantileTDigest(0.95)(lag) AS "p95",
  quantileTDigest(0.99)(lag) AS "p99"
FROM
(
  SELECT ReceivedAt, greatest(0, (toUnixTimestamp64Nano(ReceivedAt) - toUnixTimestamp64Nano(Timestamp) - toInt64(Duration)) / 1e6) AS lag
  FROM otel.otel_traces
  WHERE {{received}}
    AND InteractionType != ''
)
GROUP BY time
ORDER BY time
