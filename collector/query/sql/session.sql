-- What is known of this session? Several tenants may have one of that id: the one that was active last.
SELECT *, toUnixTimestamp64Nano(started_at) AS from_nano, toUnixTimestamp64Nano(last_activity_at) AS to_nano
FROM otel.sessions
WHERE session_id = {session:String}
ORDER BY last_activity_at DESC, tenant
LIMIT 1
