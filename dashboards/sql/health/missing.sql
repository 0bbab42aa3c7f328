-- Is anything missing? Each process that records with our SDK numbers its interactions. A number between the lowest and the highest of this time that is not there was lost or has not come yet. What is of the last minute is not looked at.
SELECT
  tenant AS "Tenant",
  service AS "Service",
  count() AS "Processes",
  sum(recorded) AS "Recorded",
  sum(between - recorded) AS "Missing",
  max(last_seen) AS "Last seen"
FROM
(
  SELECT
    Tenant AS tenant,
    argMax(ServiceName, Timestamp) AS service,
    SpanAttributes['service.instance.id'] AS instance,
    groupBitmap(toUInt64OrZero(SpanAttributes['interaction.sequence'])) AS recorded,
    max(toInt64OrZero(SpanAttributes['interaction.sequence'])) - min(toInt64OrZero(SpanAttributes['interaction.sequence'])) + 1 AS between,
    max(Timestamp) AS last_seen
  FROM otel.otel_traces
  WHERE {{interactions}}
    AND Dialect = 'otel_interactions' AND ReceivedAt < now64(9) - toIntervalMinute(1)
    AND toUInt64OrZero(SpanAttributes['interaction.sequence']) > 0
  GROUP BY tenant, instance
)
GROUP BY tenant, service
ORDER BY "Missing" DESC, "Service"
LIMIT 100
