-- What failed last: each leads to its session and its trace there.
SELECT
  Timestamp AS "Time",
  InteractionType AS "Type",
  ErrorType AS "Error",
  if(Critical, 'critical', '') AS "Severity",
  Component AS "Component",
  ServiceName AS "Service",
  substring(TraceId, 1, 16) AS "Trace",
  TraceId AS whole_trace,
  SessionId AS session,
  Tenant AS tenant,
  toString(toUnixTimestamp64Milli(Timestamp) - 3600000) AS from_ms,
  toString(toUnixTimestamp64Milli(Timestamp) + 3600000) AS to_ms
FROM otel.otel_traces
WHERE {{interactions}}
  AND (InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end'))
ORDER BY "Time" DESC, SpanId
LIMIT 50
