-- Which session a trace belongs to, where an agent's run names it and the model calls inside do not. Our SDK names it on every
-- span, and its traces are not here.
CREATE OR REPLACE VIEW otel.session_of_trace AS
SELECT tenant, arrayJoin(traces_of_runs) AS trace_id, session_id
FROM otel.sessions_state
WHERE notEmpty(traces_of_runs)
