-- Which errors happened, how often, since when, to how many, and what do they say?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `limit`: so many of them, the latest first.
-- Errors are what sessions count: each `error`, and whatever failed, save the end of a session that did. One that somebody settled
-- (otel.error_resolutions), or that came in as resolved (interaction.resolved), is none any more. Reads the message of errors, and nothing else that was said.
SELECT
  type,
  error_type,
  component,
  service,
  count() AS errors,
  countIf(critical) AS critical_errors,
  min(ts) AS first_at,
  max(ts) AS last_at,
  uniqExact(tenant, session_id) AS sessions,
  uniqExactIf((tenant, user_id), user_id != '') AS users,
  argMax(error_message, (ts, error_message)) AS sample
FROM otel.interactions
WHERE (type = 'error' OR (status = 'error' AND type != 'session_end'))
  AND (tenant, trace_id, span_id) NOT IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE resolved)
  AND (attributes['interaction.resolved'] != 'true'
    OR (tenant, trace_id, span_id) IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE NOT resolved))
  AND ({tenant:String} = '' OR tenant = {tenant:String})
  AND ts >= {since:DateTime64(9, 'UTC')} AND ts < {until:DateTime64(9, 'UTC')}
GROUP BY type, error_type, component, service
ORDER BY last_at DESC, errors DESC, type, error_type, component, service
LIMIT {limit:UInt32}
