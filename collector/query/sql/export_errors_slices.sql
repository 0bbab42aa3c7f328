-- Into which times are errors cut, so that each has some `at_once` of them? Whole seconds since 1970; no second is cut.
-- `reach` is the end of what has to be read for them.
SELECT min(second) AS since, max(second) + 1 AS until, until AS reach, sum(n) AS rows
FROM
(
  SELECT second, n, intDiv(sum(n) OVER (ORDER BY second ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - n, {at_once:UInt32}) AS slice
  FROM
  (
    SELECT toUnixTimestamp64Second(ts) AS second, count() AS n
    FROM otel.interactions
    WHERE (type = 'error' OR (status = 'error' AND type != 'session_end'))
      AND ({session:String} = '' OR session_id = {session:String})
      AND ({user:String} = '' OR user_id = {user:String})
      AND ({type:String} = '' OR type = {type:String})
      AND ts >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND ts < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
    GROUP BY second
  )
)
GROUP BY slice
ORDER BY slice
