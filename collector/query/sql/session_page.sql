-- Which sessions were there, those that began last first? A page of them: what stands behind (`before`, `before_session`), 0 for
-- the first. The order is that of their beginnings, as these stay where they are while sessions go on.
-- Only those are put together of which something began in this time (or that name the user).
SELECT *, toUnixTimestamp64Nano(started_at) AS from_nano
FROM otel.sessions
WHERE (tenant, session_id) IN (
    SELECT tenant, session_id FROM otel.sessions_state
    WHERE ({since:Int64} = 0 OR started_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC')))
  AND ({user:String} = '' OR (tenant, session_id) IN (SELECT Tenant, SessionId FROM otel.otel_traces WHERE UserId = {user:String}))
  AND ({status:String} = '' OR status = {status:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND ({since:Int64} = 0 OR started_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC'))
  AND ({until:Int64} = 0 OR started_at < fromUnixTimestamp64Nano({until:Int64}, 'UTC'))
  AND ({before:Int64} = 0 OR (toUnixTimestamp64Nano(started_at), session_id) < ({before:Int64}, {before_session:String}))
ORDER BY started_at DESC, session_id DESC, tenant
LIMIT {limit:UInt32}
