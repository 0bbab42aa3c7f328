-- How many bytes of spans are kept of each day (UTC), on disk, and how many more would they be without compression?
SELECT
  toDateTime(parseDateTimeBestEffort(partition), 'UTC') AS time,
  sum(bytes_on_disk) AS "on disk",
  sum(greatest(data_uncompressed_bytes, bytes_on_disk) - bytes_on_disk) AS "saved by compression"
FROM system.parts
WHERE active AND database = 'otel' AND table = 'otel_traces'
  AND $__timeFrom(parseDateTimeBestEffort(partition) + 86400) AND $__timeTo(parseDateTimeBestEffort(partition))
GROUP BY time
ORDER BY time
