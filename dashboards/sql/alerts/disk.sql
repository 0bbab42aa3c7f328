-- Which share of the fullest disk of ClickHouse is free?
SELECT minOrNull(unreserved_space / total_space) AS value
FROM system.disks
WHERE total_space > 0 AND total_space < 9223372036854775807
