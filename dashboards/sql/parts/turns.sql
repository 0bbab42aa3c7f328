-- Each turn of the user's in a session with sound that was answered, and how long until the answer began, from where the user ended:
-- the time to the first chunk where it was recorded, else until the answer's sound began. As collector/query/sql/turn_latency.sql.
SELECT
    minIf(Timestamp, of_user) AS asked_at,
    anyLastIf(model, model != '' AND NOT of_user) AS model,
    minIfOrNull(TtftMs, TtftMs > 0 AND NOT of_user) AS first_chunk,
    (toUnixTimestamp64Nano(minIfOrNull(Timestamp, InteractionType = 'audio_output')) - toUnixTimestamp64Nano(asked_at)) / 1e6
      - maxIf(DurationMs, of_user) AS until_sound,
    coalesce(first_chunk, if(until_sound >= 0, until_sound, NULL)) AS latency
  FROM
  (
    SELECT
      Tenant,
      SessionId,
      Timestamp,
      InteractionType,
      DurationMs,
      TtftMs,
      CAST(if(ResponseModel != '', ResponseModel, Model), 'String') AS model,
      InteractionType IN ('user_message', 'audio_input') AS of_user,
      sum(of_user) OVER (PARTITION BY Tenant, SessionId ORDER BY Timestamp, of_user DESC ROWS UNBOUNDED PRECEDING) AS turn
    FROM otel.otel_traces
    WHERE {{interactions -model}}
      AND InteractionType IN ('user_message', 'audio_input', 'assistant_response', 'generation', 'audio_output')
      AND (Tenant, SessionId) IN (
        SELECT Tenant, SessionId
        FROM otel.otel_traces
        WHERE {{interactions -model}}
          AND InteractionType IN ('audio_input', 'audio_output'))
  )
  WHERE turn > 0
  GROUP BY Tenant, SessionId, turn
  HAVING countIf(NOT of_user) > 0
