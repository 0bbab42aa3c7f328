-- How many tokens did each model take and give?
SELECT
  if(response_model != '', response_model, model) AS model,
  count() AS calls,
  sum(i.input_tokens) AS input_tokens,
  sum(i.output_tokens) AS output_tokens,
  round(avgIf(i.ttft_ms, i.ttft_ms > 0), 1) AS avg_ttft_ms
FROM otel.interactions AS i
WHERE type IN ('generation', 'assistant_response') AND i.input_tokens + i.output_tokens > 0
GROUP BY model
ORDER BY output_tokens DESC
