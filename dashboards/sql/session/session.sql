-- What is known of this session, whenever it was? Its id leads to the time of it, which the panels below need.
SELECT
  session_id AS "Session",
  tenant AS "Tenant",
  user_id AS "User",
  service AS "Service",
  status AS "Status",
  end_reason AS "Reason",
  toTimeZone(started_at, 'UTC') AS "Began",
  toTimeZone(last_activity_at, 'UTC') AS "Last activity",
  duration_ms AS "Duration",
  interactions AS "Interactions",
  user_messages AS "Asked",
  assistant_responses AS "Answered",
  tool_calls AS "Tools",
  errors AS "Errors",
  input_tokens AS "Tokens in",
  output_tokens AS "Tokens out",
  model AS "Model",
  toString(toUnixTimestamp64Milli(started_at) - 60000) AS from_ms,
  toString(toUnixTimestamp64Milli(last_activity_at) + 60000) AS to_ms
FROM otel.sessions
WHERE session_id IN (
    SELECT decodeURLComponent('${session:percentencode}')
    UNION ALL SELECT session_id FROM otel.session_of_trace WHERE trace_id = decodeURLComponent('${session:percentencode}'))
  AND session_id != ''
  AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant)
ORDER BY last_activity_at DESC, tenant
