-- What ClickHouse complained of since it started, the latest first. Some are ordinary: a query with a typing error is one.
SELECT name AS "Error", toUInt32(code) AS "Code", value AS "Times", last_error_time AS "Last"
FROM system.errors
WHERE last_error_time > toDateTime(0)
ORDER BY "Last" DESC, "Error"
LIMIT 30
