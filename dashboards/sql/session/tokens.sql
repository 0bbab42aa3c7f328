-- How much did its models read and write, and how fast did they begin? Of answers and the calls inside them those with more tokens count.
SELECT
  greatest(sumIf(InputTokens, InteractionType = 'assistant_response'), sumIf(InputTokens, InteractionType = 'generation')) AS "Tokens in",
  greatest(sumIf(CachedTokens, InteractionType = 'assistant_response'), sumIf(CachedTokens, InteractionType = 'generation')) AS "of them cached",
  greatest(sumIf(OutputTokens, InteractionType = 'assistant_response'), sumIf(OutputTokens, InteractionType = 'generation')) AS "Tokens out",
  quantileExactIfOrNull(0.5)(DurationMs, InteractionType IN ('assistant_response', 'generation') AND DurationMs > 0) AS "Answer, median",
  quantileExactIfOrNull(0.5)(TtftMs, TtftMs > 0) AS "First token, median"
FROM otel.otel_traces
WHERE {{of_session}}
  AND InteractionType IN ('assistant_response', 'generation')
