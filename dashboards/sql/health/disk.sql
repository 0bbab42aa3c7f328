-- How much of each disk of ClickHouse is free?
SELECT name AS "Disk", total_space AS "Size", unreserved_space AS "Free", if(total_space = 0, NULL, unreserved_space / total_space) AS "Free, share"
FROM system.disks
WHERE total_space < 9223372036854775807
ORDER BY "Disk"
