-- Which sessions were there, in the order of their beginnings? One slice of an export.
SELECT *
FROM otel.sessions
WHERE ({session:String} = '' OR session_id = {session:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND started_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY started_at, tenant, session_id
