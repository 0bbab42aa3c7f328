-- How long, in seconds, after their end did 95 of 100 interactions reach the collector at most?
SELECT if(count() = 0, 0, quantileTDigest(0.95)(greatest(0, (toUnixTimestamp64Nano(ReceivedAt) - toUnixTimestamp64Nano(Timestamp) - toInt64(Duration)) / 1e9))) AS value
FROM otel.otel_traces
WHERE $__timeFilter(ReceivedAt) AND Timestamp >= $__fromTime - toIntervalDay(7) AND InteractionType != ''
