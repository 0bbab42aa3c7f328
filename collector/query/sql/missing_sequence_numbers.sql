-- Which interactions are missing? Each process that records (service.instance.id) numbers its own from 1, in the order they
-- end: a number below its highest one that is not here is lost, or has not come yet.
-- What came of late (grace_seconds) closes gaps and opens none, as what was recorded before it may still be on its way.
-- With `since` (nanoseconds since 1970, 0 for everything) only what ended since; it began no more than a day before that.
-- A bitmap holds the numbers of a process, one bit each, whatever their order and however often they come.
WITH fromUnixTimestamp64Nano({since:Int64}, 'UTC') AS since
SELECT
  tenant,
  service,
  instance AS service_instance_id,
  first,
  last,
  recorded,
  missing,
  length(every_gap) AS gap_count,
  arraySlice(every_gap, 1, {gaps:UInt32}) AS gaps,
  from_time,
  to_time
FROM
(
  SELECT
    *,
    CAST(arraySort(bitmapToArray(bitmapSubsetInRange(numbers, first, last + 1))), 'Array(Int64)') AS known,
    arrayMap(n -> n + 1, arrayPushFront(known, first - 1)) AS behind,
    arrayMap(n -> n - 1, arrayPushBack(known, toInt64(last + 1))) AS before,
    arrayFilter(gap -> gap.1 <= gap.2, arrayZip(behind, before)) AS every_gap
  FROM
  (
    SELECT
      tenant,
      argMax(service, ended) AS service,
      instance,
      groupBitmapState(number) AS numbers,
      if({since:Int64} = 0, 1, min(number)) AS first,
      maxIf(number, received < now64(9) - toIntervalMillisecond({grace_seconds:Float64} * 1000)) AS last,
      bitmapCardinality(bitmapSubsetInRange(numbers, first, last + 1)) AS recorded,
      if(last < first, 0, last + 1 - first - recorded) AS missing,
      min(began) AS from_time,
      max(ended) AS to_time
    FROM
    (
      SELECT
        Tenant AS tenant,
        ServiceName AS service,
        SpanAttributes['service.instance.id'] AS instance,
        toUInt64OrZero(SpanAttributes['interaction.sequence']) AS number,
        CAST(Timestamp, 'DateTime64(9, \'UTC\')') AS began,
        began + toIntervalNanosecond(Duration) AS ended,
        ReceivedAt AS received
      FROM otel.otel_traces
      PREWHERE Dialect = 'otel_interactions' AND Timestamp >= if({since:Int64} = 0, since, since - toIntervalDay(1))
      WHERE number BETWEEN 1 AND 9007199254740991 AND ended >= since
    )
    GROUP BY tenant, instance
  )
  WHERE missing > 0 OR {complete:Bool}
)
ORDER BY missing DESC, from_time, instance
