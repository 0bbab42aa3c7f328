-- The slowest answers, calls of models, tools and retrievals: each leads to its session and its trace there.
SELECT
  Timestamp AS "Time",
  InteractionType AS "Type",
  SpanName AS "Span",
  DurationMs AS "Duration",
  if(TtftMs > 0, TtftMs, NULL) AS "First token",
  ServiceName AS "Service",
  if(ResponseModel != '', ResponseModel, Model) AS "Model",
  StatusCode AS "Status",
  substring(TraceId, 1, 16) AS "Trace",
  TraceId AS whole_trace,
  SessionId AS session,
  Tenant AS tenant,
  toString(toUnixTimestamp64Milli(Timestamp) - 3600000) AS from_ms,
  toString(toUnixTimestamp64Milli(Timestamp) + 3600000) AS to_ms
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation', 'tool_call', 'retrieval')
ORDER BY DurationMs DESC, "Time", SpanId
LIMIT 50
