-- How large is each table, in how many parts (many mean that merging does not keep up), and when was the newest part written? Of the node that is asked, as of now.
SELECT
  table AS "Table",
  count() AS "Parts",
  uniqExact(partition_id) AS "Partitions",
  sum(rows) AS "Rows",
  sum(bytes_on_disk) AS "On disk",
  sum(data_uncompressed_bytes) / greatest(sum(data_compressed_bytes), 1) AS "Compressed",
  max(modification_time) AS "Newest part"
FROM system.parts
WHERE active AND database = 'otel'
GROUP BY table
ORDER BY "On disk" DESC, "Table"
