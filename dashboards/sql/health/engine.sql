-- Of the node of ClickHouse that is asked, as of now: the most active parts in one partition (from some 300 on inserts slow down), merges that run, how long the longest has, mutations that wait, and since when the node is up.
SELECT
  (SELECT max(parts) FROM (SELECT count() AS parts FROM system.parts WHERE active AND database = 'otel' GROUP BY table, partition_id)) AS "Most parts in a partition",
  (SELECT count() FROM system.merges) AS "Merges",
  (SELECT max(elapsed) FROM system.merges) AS "Longest merge",
  (SELECT count() FROM system.mutations WHERE NOT is_done AND database = 'otel') AS "Mutations",
  uptime() AS "Up"
