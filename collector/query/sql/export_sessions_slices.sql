-- Into which times are sessions cut, so that in each some `at_once` of them begin? As `export_interactions_slices`.
SELECT min(second) AS since, max(second) + 1 AS until, until AS reach, sum(n) AS rows
FROM
(
  SELECT second, n, intDiv(sum(n) OVER (ORDER BY second ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - n, {at_once:UInt32}) AS slice
  FROM
  (
    SELECT toUnixTimestamp64Second(started_at) AS second, count() AS n
    FROM otel.sessions
    WHERE ({session:String} = '' OR session_id = {session:String})
      AND ({user:String} = '' OR user_id = {user:String})
      AND started_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
    GROUP BY second
  )
)
GROUP BY slice
ORDER BY slice
