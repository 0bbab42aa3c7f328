-- What arrived since, in the order it happened?
SELECT
  ts, received_at, session_id, span_id, type, status,
  multiIf(input_text != '', input_text, output_text != '', output_text, error_message != '', error_message,
    tool_name != '', concat(tool_name, tool_arguments), to_state != '', concat(from_state, ' -> ', to_state),
    metric_name != '', concat(metric_name, ' ', toString(metric_value)), action != '', concat(action, ' ', component), '') AS what
FROM otel.interactions
WHERE received_at > fromUnixTimestamp64Nano({since:Int64})
ORDER BY ts DESC
LIMIT {limit:UInt32}
