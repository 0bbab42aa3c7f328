-- One row a session. The status is computed when asked: `ended` where an end is on record and nothing started or resumed
-- it later, else `active`, else, after the tenant's idle time without any activity, `abandoned`.
-- Tokens: where an instrumentation recorded the model calls (generation) inside an assistant_response, both say the same
-- tokens, the larger sum counts, never the two together. Messages likewise: recorded ones, else those of the model calls.
-- What names no session counts for the one its trace belongs to (session_of_trace).
CREATE OR REPLACE VIEW otel.sessions AS
WITH
  (SELECT argMax(session_idle_seconds, updated_at) FROM otel.tenant_settings WHERE tenant = '') AS default_idle_seconds,
  (SELECT mapFromArrays(groupArray(t), groupArray(s)) FROM (
    SELECT tenant AS t, argMax(session_idle_seconds, updated_at) AS s FROM otel.tenant_settings WHERE tenant != '' GROUP BY tenant HAVING s > 0)
  ) AS idle_seconds_of
SELECT
  tenant,
  session_id,
  trace_id,
  user_id,
  service,
  started_at,
  last_activity_at,
  if(is_ended, last_end_at, toDateTime64(0, 9, 'UTC')) AS ended_at,
  multiIf(
    is_ended, 'ended',
    dateDiff('millisecond', last_activity_at, now64(9, 'UTC')) / 1000 > if(mapContains(idle_seconds_of, tenant), idle_seconds_of[tenant], default_idle_seconds), 'abandoned',
    'active') AS status,
  if(is_ended, reason, '') AS end_reason,
  toFloat64(dateDiff('microsecond', started_at, last_activity_at)) / 1000 AS duration_ms,
  interactions,
  if(own_user_messages > 0, own_user_messages, generations_asked) AS user_messages,
  if(own_assistant_responses > 0, own_assistant_responses, generations_answered) AS assistant_responses,
  tool_calls,
  errors,
  input_tokens,
  output_tokens,
  cost_usd,
  model,
  mode
FROM
(
  SELECT
    s.tenant AS tenant,
    s.session AS session_id,
    argMinMerge(s.trace_id) AS trace_id,
    argMaxIfMerge(s.user_id) AS user_id,
    argMinIfMerge(s.service) AS service,
    argMaxIfMerge(s.model) AS model,
    argMaxIfMerge(s.mode) AS mode,
    argMaxIfMerge(s.end_reason) AS reason,
    min(s.started_at) AS started_at,
    max(s.last_activity_at) AS last_activity_at,
    max(s.last_start_at) AS last_start_at,
    max(s.last_end_at) AS last_end_at,
    last_end_at > toDateTime64(0, 9, 'UTC') AND last_end_at >= last_start_at AS is_ended,
    sum(s.interactions) AS interactions,
    sum(s.user_messages) AS own_user_messages,
    sum(s.assistant_responses) AS own_assistant_responses,
    sum(s.generations_asked) AS generations_asked,
    sum(s.generations_answered) AS generations_answered,
    sum(s.tool_calls) AS tool_calls,
    sum(s.errors) AS errors,
    greatest(sum(s.response_input_tokens), sum(s.generation_input_tokens)) AS input_tokens,
    greatest(sum(s.response_output_tokens), sum(s.generation_output_tokens)) AS output_tokens,
    sum(s.cost_usd) AS cost_usd
  FROM
  (
    SELECT *, session_id AS session
    FROM otel.sessions_state
    WHERE (tenant, session_id) NOT IN (SELECT tenant, trace_id FROM otel.session_of_trace)
    UNION ALL
    SELECT t.*, m.session_id AS session
    FROM otel.sessions_state AS t
    INNER JOIN (SELECT tenant, trace_id, min(session_id) AS session_id FROM otel.session_of_trace GROUP BY tenant, trace_id) AS m ON m.tenant = t.tenant AND m.trace_id = t.session_id
  ) AS s
  GROUP BY tenant, session_id
)
