-- Is nothing received any more (1), while there was something in the day before?
SELECT toUInt8(countIf(ReceivedAt >= $__fromTime) = 0 AND count() > 0) AS value
FROM otel.otel_traces
WHERE Timestamp >= $__fromTime - toIntervalDay(1) AND $__timeTo(ReceivedAt)
