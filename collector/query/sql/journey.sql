-- What happened in this session, in order?
-- Parameters: `session`: its id; `tenant`, '' for all: each tenant's session of that id, one after the other. Reads what was said.
SELECT
  tenant,
  ts,
  if(row_number() OVER way = 1, NULL, dateDiff('microsecond', lagInFrame(ts) OVER way, ts) / 1000) AS ms_since_previous,
  type,
  otel_step(type, action, component, to_state, tool_name, category) AS step,
  duration_ms,
  status,
  multiIf(input_text != '', input_text, output_text != '', output_text, error_message != '', error_message,
    tool_name != '', concat(tool_name, tool_arguments), to_state != '', concat(from_state, ' -> ', to_state),
    metric_name != '', concat(metric_name, ' ', toString(metric_value)), '') AS what,
  model,
  span_id
FROM otel.interactions
WHERE session_id = {session:String} AND ({tenant:String} = '' OR tenant = {tenant:String})
WINDOW way AS (PARTITION BY tenant ORDER BY ts, received_at, span_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
ORDER BY tenant, ts, received_at, span_id
