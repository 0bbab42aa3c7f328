-- Into which times are conversations cut, by the beginnings of their sessions, so that each has some `at_once` messages?
-- As `export_interactions_slices`; `rows` counts what sessions count, and is about the number of messages only.
SELECT min(second) AS since, max(second) + 1 AS until, max(last_second) + 1 AS reach, sum(n) AS rows
FROM
(
  SELECT second, n, last_second,
    intDiv(sum(n) OVER (ORDER BY second ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - n, {at_once:UInt32}) AS slice
  FROM
  (
    SELECT
      toUnixTimestamp64Second(s.started_at) AS second,
      sum(s.user_messages + s.assistant_responses + s.tool_calls) AS n,
      max(toUnixTimestamp64Second(s.last_activity_at)) AS last_second
    FROM otel.sessions AS s
    WHERE ({session:String} = '' OR session_id = {session:String})
      AND ({user:String} = '' OR user_id = {user:String})
      AND started_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
    GROUP BY second
  )
)
GROUP BY slice
ORDER BY slice
