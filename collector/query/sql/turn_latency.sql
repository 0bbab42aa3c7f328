-- How long does a voice assistant take to begin to answer, by day (UTC) and model?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all. In sessions with sound, each turn of the user's that was
-- answered, from where the user ended: the time to the first chunk of the answer where it was recorded, else until the
-- answer's sound began. Milliseconds; a turn where neither is known counts and has no time.
SELECT
  toDate(asked_at, 'UTC') AS day,
  model,
  count() AS turns,
  count(latency) AS turns_timed,
  avg(latency) AS avg_ms,
  quantileExact(0.5)(latency) AS p50_ms,
  quantileExact(0.9)(latency) AS p90_ms,
  quantileExact(0.95)(latency) AS p95_ms,
  quantileExact(0.99)(latency) AS p99_ms
FROM
(
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
    WHERE InteractionType IN ('user_message', 'audio_input', 'assistant_response', 'generation', 'audio_output')
      AND ({tenant:String} = '' OR Tenant = {tenant:String})
      AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
      AND (Tenant, SessionId) IN (
        SELECT Tenant, SessionId
        FROM otel.otel_traces
        WHERE InteractionType IN ('audio_input', 'audio_output') AND ({tenant:String} = '' OR Tenant = {tenant:String})
          AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')})
  )
  WHERE turn > 0
  GROUP BY Tenant, SessionId, turn
  HAVING countIf(NOT of_user) > 0
)
GROUP BY day, model
ORDER BY day, model
