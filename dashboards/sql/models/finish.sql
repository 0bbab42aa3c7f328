-- Why did models stop, by model? `length` means that an answer was cut off.
SELECT if(ResponseModel != '', ResponseModel, Model) AS "Model",
  countIf(FinishReason = 'stop') AS "stop",
  countIf(FinishReason IN ('tool_call', 'tool_calls', 'tool_use')) AS "tool call",
  countIf(FinishReason IN ('length', 'max_tokens', 'MAX_TOKENS')) AS "length",
  countIf(FinishReason = 'interrupted') AS "interrupted",
  countIf(FinishReason IN ('content_filter', 'safety', 'SAFETY', 'refusal')) AS "filtered",
  countIf(FinishReason NOT IN ('', 'stop', 'tool_call', 'tool_calls', 'tool_use', 'length', 'max_tokens', 'MAX_TOKENS', 'interrupted', 'content_filter', 'safety', 'SAFETY', 'refusal')) AS "other"
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND FinishReason != '' AND "Model" != ''
GROUP BY "Model"
ORDER BY count() DESC, "Model"
LIMIT 20
