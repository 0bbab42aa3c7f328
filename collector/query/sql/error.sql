-- Is this an error, and whose?
SELECT tenant, trace_id, span_id
FROM otel.interactions
WHERE trace_id = {trace:String} AND span_id = {span:String} AND (type = 'error' OR (status = 'error' AND type != 'session_end'))
LIMIT 1
