-- session_of_trace, looked up by trace: where a query meets spans that name no session, and only for those.
CREATE DICTIONARY IF NOT EXISTS otel.session_by_trace
(
  tenant String,
  trace_id String,
  session_id String
)
PRIMARY KEY tenant, trace_id
SOURCE(CLICKHOUSE(QUERY 'SELECT CAST(tenant, \'String\') AS tenant, trace_id, min(session_id) AS session_id FROM otel.session_of_trace WHERE {condition} GROUP BY tenant, trace_id'))
LAYOUT(COMPLEX_KEY_DIRECT())
