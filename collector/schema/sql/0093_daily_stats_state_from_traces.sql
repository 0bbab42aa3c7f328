-- Every interaction counts in the day it began. An error is what sessions count as one: an `error`, or whatever failed, save
-- the end of a session that did.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.daily_stats_state_from_traces TO otel.daily_stats_state AS
SELECT
  Tenant AS tenant,
  toDate(Timestamp, 'UTC') AS day,
  ServiceName AS service,
  InteractionType AS type,
  count() AS interactions,
  countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) AS errors,
  sum(InputTokens) AS input_tokens,
  sum(OutputTokens) AS output_tokens,
  sum(CostUsd) AS cost_usd,
  countIf(DurationMs > 0) AS timed,
  sum(DurationMs) AS duration_ms,
  quantilesTDigestIfState(0.5, 0.9, 0.95, 0.99)(DurationMs, DurationMs > 0) AS durations,
  max(CAST(JournalSegment, 'String')) AS newest_segment,
  uniqIfState(UserId, UserId != '') AS users,
  uniqState(SessionId) AS sessions
FROM otel.otel_traces
WHERE InteractionType != ''
GROUP BY tenant, day, service, type
