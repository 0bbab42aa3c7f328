-- How often do people interrupt an answer (its finish reason is `interrupted`), of the answers in sessions with sound? A call of a model counts where its session has no answers of the application's own.
SELECT
  $__timeInterval(Timestamp) AS time,
  countIf(FinishReason = 'interrupted') AS "interrupted",
  countIf(FinishReason = 'interrupted') / count() AS "share"
FROM
(
  SELECT
    Timestamp,
    FinishReason,
    InteractionType,
    countIf(InteractionType = 'assistant_response') OVER (PARTITION BY Tenant, SessionId) AS answers
  FROM otel.otel_traces
  WHERE {{interactions}}
    AND InteractionType IN ('assistant_response', 'generation')
    AND (Tenant, SessionId) IN (
      SELECT Tenant, SessionId
      FROM otel.otel_traces
      WHERE {{interactions -model}}
        AND InteractionType IN ('audio_input', 'audio_output'))
)
WHERE (InteractionType = 'assistant_response') = (answers > 0)
GROUP BY time
ORDER BY time
