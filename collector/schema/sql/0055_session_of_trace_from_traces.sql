-- A run of an agent that names its session names that of its trace.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.session_of_trace_from_traces TO otel.session_of_trace AS
SELECT Tenant AS tenant, TraceId AS trace_id, min(SessionId) AS session_id
FROM otel.otel_traces
WHERE InteractionType = 'agent_run' AND NOT SessionIsTrace AND Dialect != 'otel_interactions'
GROUP BY tenant, trace_id
