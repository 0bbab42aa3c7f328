-- How often do people interrupt a voice assistant, by day (UTC) and model?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all. Counted are the answers in sessions with sound, and those
-- of them that say `interrupted` as their finish reason, as the integrations of live APIs record it.
SELECT
  day,
  model,
  sum(of_session) AS answers,
  sum(interrupted) AS barge_ins,
  barge_ins / answers AS barge_in_rate,
  uniqExactIf((Tenant, SessionId), interrupted > 0) AS sessions_with_barge_ins
FROM
(
  SELECT
    Tenant,
    SessionId,
    toDate(Timestamp, 'UTC') AS day,
    CAST(if(ResponseModel != '', ResponseModel, Model), 'String') AS model,
    greatest(countIf(InteractionType = 'assistant_response'), countIf(InteractionType = 'generation')) AS of_session,
    greatest(
      countIf(InteractionType = 'assistant_response' AND FinishReason = 'interrupted'),
      countIf(InteractionType = 'generation' AND FinishReason = 'interrupted')) AS interrupted
  FROM otel.otel_traces
  WHERE InteractionType IN ('assistant_response', 'generation') AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
    AND (Tenant, SessionId) IN (
      SELECT Tenant, SessionId
      FROM otel.otel_traces
      WHERE InteractionType IN ('audio_input', 'audio_output') AND ({tenant:String} = '' OR Tenant = {tenant:String})
        AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')})
  GROUP BY Tenant, SessionId, day, model
)
GROUP BY day, model
ORDER BY day, model
