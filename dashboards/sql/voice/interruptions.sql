-- How often do people interrupt an answer (its finish reason is `interrupted`), of the answers in sessions with sound?
SELECT
  $__timeInterval(Timestamp) AS time,
  countIf(FinishReason = 'interrupted') AS "interrupted",
  countIf(FinishReason = 'interrupted') / count() AS "share"
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND (Tenant, SessionId) IN (
    SELECT Tenant, SessionId
    FROM otel.otel_traces
    WHERE {{interactions -model}}
      AND InteractionType IN ('audio_input', 'audio_output'))
GROUP BY time
ORDER BY time
