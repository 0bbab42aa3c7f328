-- What was said in the sessions that began in this time, one conversation behind the other? One slice of an export.
SELECT m.*
FROM
(
  SELECT *
  FROM otel.transcript
  WHERE (tenant, session_id) IN
  (
    SELECT tenant, session_id
    FROM otel.sessions
    WHERE ({session:String} = '' OR session_id = {session:String})
      AND ({user:String} = '' OR user_id = {user:String})
      AND started_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
  )
) AS m
INNER JOIN otel.sessions AS s ON s.tenant = m.tenant AND s.session_id = m.session_id
ORDER BY s.started_at, m.tenant, m.session_id, m.ts, m.turn
