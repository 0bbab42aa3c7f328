-- How long after its end does an interaction reach the collector, by day (UTC) and service?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all. Milliseconds from the end of the span to its receipt. What
-- seems to come before it ended is of a sender whose clock is ahead: clock_ahead counts it. Percentiles are estimates.
SELECT
  day,
  service,
  interactions,
  lags[1] AS p50_ms,
  lags[2] AS p95_ms,
  lags[3] AS p99_ms,
  longest AS max_ms,
  clock_ahead
FROM
(
  WITH (toUnixTimestamp64Nano(ReceivedAt) - toUnixTimestamp64Nano(Timestamp) - toInt64(Duration)) / 1e6 AS lag
  SELECT
    toDate(Timestamp, 'UTC') AS day,
    CAST(ServiceName, 'String') AS service,
    count() AS interactions,
    quantilesTDigest(0.5, 0.95, 0.99)(lag) AS lags,
    max(lag) AS longest,
    countIf(lag < 0) AS clock_ahead
  FROM otel.otel_traces
  WHERE InteractionType != '' AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
  GROUP BY day, service
)
ORDER BY day, service
