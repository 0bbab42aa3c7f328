-- One row a tenant, day (UTC), service and type. Times are of the interactions that took one, NULL where none did. Users and
-- sessions are estimates beyond some 60,000, and do not add up over rows: one who did two things is in two of them.
CREATE OR REPLACE VIEW otel.daily_stats AS
SELECT
  tenant,
  day,
  service,
  type,
  interactions,
  errors,
  users,
  sessions,
  input_tokens,
  output_tokens,
  cost_usd,
  duration_ms,
  if(timed = 0, NULL, duration_ms / timed) AS avg_duration_ms,
  if(timed = 0, NULL, toFloat64(quantiles[1])) AS p50_duration_ms,
  if(timed = 0, NULL, toFloat64(quantiles[2])) AS p90_duration_ms,
  if(timed = 0, NULL, toFloat64(quantiles[3])) AS p95_duration_ms,
  if(timed = 0, NULL, toFloat64(quantiles[4])) AS p99_duration_ms
FROM
(
  SELECT
    s.tenant AS tenant,
    s.day AS day,
    s.service AS service,
    s.type AS type,
    sum(s.interactions) AS interactions,
    sum(s.errors) AS errors,
    uniqIfMerge(s.users) AS users,
    uniqMerge(s.sessions) AS sessions,
    sum(s.input_tokens) AS input_tokens,
    sum(s.output_tokens) AS output_tokens,
    sum(s.cost_usd) AS cost_usd,
    sum(s.timed) AS timed,
    sum(s.duration_ms) AS duration_ms,
    quantilesTDigestIfMerge(0.5, 0.9, 0.95, 0.99)(s.durations) AS quantiles
  FROM otel.daily_stats_state AS s
  GROUP BY tenant, day, service, type
)
