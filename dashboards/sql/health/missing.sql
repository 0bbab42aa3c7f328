-- Is anything missing, of the last day of this time at most? Each process that records with our SDK numbers its interactions in the order they end. A number between the lowest and the highest of this time that is not there was lost or has not come yet. What came in the last minute closes gaps and opens none.
SELECT
  tenant AS "Tenant",
  service AS "Service",
  count() AS "Processes",
  sum(recorded) AS "Recorded",
  sum(if(last < first, 0, last + 1 - first - recorded)) AS "Missing",
  max(last_seen) AS "Last seen"
FROM
(
  SELECT
    tenant,
    argMax(service, ended) AS service,
    min(number) AS first,
    maxIf(number, ReceivedAt < now64(9) - toIntervalMinute(1)) AS last,
    bitmapCardinality(bitmapSubsetInRange(groupBitmapState(number), first, last + 1)) AS recorded,
    max(ended) AS last_seen
  FROM
  (
    SELECT
      Tenant AS tenant,
      ServiceName AS service,
      ReceivedAt,
      SpanAttributes['service.instance.id'] AS instance,
      toUInt64OrZero(SpanAttributes['interaction.sequence']) AS number,
      Timestamp + toIntervalNanosecond(Duration) AS ended
    FROM otel.otel_traces
    WHERE Dialect = 'otel_interactions' AND $__timeTo(Timestamp)
      AND Timestamp >= greatest($__fromTime, $__toTime - toIntervalDay(1)) - toIntervalDay(1)
      AND Timestamp + toIntervalNanosecond(Duration) >= greatest($__fromTime, $__toTime - toIntervalDay(1))
      AND $__conditionalAll(Tenant IN (${tenant:singlequote}), $tenant)
      AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
  )
  WHERE number > 0 AND $__timeTo(ended)
  GROUP BY tenant, instance
)
GROUP BY tenant, service
ORDER BY "Missing" DESC, "Service"
LIMIT 100
