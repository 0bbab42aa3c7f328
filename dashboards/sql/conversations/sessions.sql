-- The sessions with any activity in this time, the newest first, at most 200. The box "Search" looks in ids of sessions and users, services, models and reasons, not in what was said. A session's id leads to all of it.
SELECT
  session_id AS "Session",
  status AS "Status",
  user_id AS "User",
  service AS "Service",
  model AS "Model",
  toTimeZone(started_at, 'UTC') AS "Began",
  duration_ms AS "Duration",
  user_messages AS "Asked",
  assistant_responses AS "Answered",
  tool_calls AS "Tools",
  errors AS "Errors",
  input_tokens + output_tokens AS "Tokens",
  cost_usd AS "Cost",
  end_reason AS "Reason",
  tenant,
  toString(toUnixTimestamp64Milli(started_at) - 60000) AS from_ms,
  toString(toUnixTimestamp64Milli(last_activity_at) + 60000) AS to_ms
FROM otel.sessions
WHERE {{sessions}}
  AND $__conditionalAll(status IN (${status:singlequote}), $status)
  AND $__conditionalAll(positionCaseInsensitiveUTF8(concat(session_id, ' ', user_id, ' ', service, ' ', model, ' ', end_reason), decodeURLComponent('${search:percentencode}')) > 0, $search)
ORDER BY started_at DESC, session_id
LIMIT 200
