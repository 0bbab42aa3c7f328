-- When was this session? Several tenants may have one of that id: the one that was active last. Knowing it, ClickHouse opens the
-- parts of some days and not of all.
SELECT tenant, session_id, toUnixTimestamp64Nano(min(started_at)) AS from_nano, toUnixTimestamp64Nano(max(last_activity_at)) AS to_nano
FROM otel.sessions_state
WHERE session_id = {session:String}
GROUP BY tenant, session_id
ORDER BY to_nano DESC, tenant
LIMIT 1
