-- How many bytes of spans are kept of each day (UTC), on disk and as they came?
SELECT
  toDateTime(parseDateTimeBestEffort(partition), 'UTC') AS time,
  sum(bytes_on_disk) AS "on disk",
  sum(data_uncompressed_bytes) AS "uncompressed"
FROM system.parts
WHERE active AND database = 'otel' AND table = 'otel_traces'
  AND $__timeFrom(parseDateTimeBestEffort(partition) + 86400) AND $__timeTo(parseDateTimeBestEffort(partition))
GROUP BY time
ORDER BY time
