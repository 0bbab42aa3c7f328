-- How is it going: how much happened, to how many, how much of it failed, how long do answers take, with which models?
-- Parameters: `since`, `until`: from, and before, for instance the last 24 hours; `tenant`, '' for all. One row, also where
-- nothing happened. Response times are of answers, or of calls of models where no answer has one; NULL where there is none. Users and
-- sessions beyond some 60,000 are estimates. Tokens count once, as in tokens_and_cost.
WITH
  (
    SELECT mapSort(mapFromArrays(groupArray(CAST(model, 'String')), groupArray(map('calls', calls, 'input_tokens', input, 'output_tokens', output))))
    FROM
    (
      SELECT used.1 AS model, sum(used.2) AS calls, sum(used.3) AS input, sum(used.4) AS output
      FROM
      (
        SELECT
          if(sumIf(tokens, type = 'assistant_response') > sumIf(tokens, type = 'generation'), 'assistant_response', 'generation') AS counted,
          groupArrayIf((model, calls, input, output), type = 'assistant_response') AS of_answers,
          groupArrayIf((model, calls, input, output), type = 'generation') AS of_calls
        FROM
        (
          SELECT
            cityHash64(Tenant, SessionId) AS session,
            InteractionType AS type,
            if(ResponseModel != '', ResponseModel, Model) AS model,
            count() AS calls,
            sum(InputTokens) AS input,
            sum(OutputTokens) AS output,
            input + output AS tokens
          FROM otel.otel_traces
          WHERE InteractionType IN ('assistant_response', 'generation') AND InputTokens + OutputTokens > 0
            AND ({tenant:String} = '' OR Tenant = {tenant:String})
            AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
          GROUP BY session, type, model
        )
        GROUP BY session
      )
      ARRAY JOIN if(counted = 'generation', of_calls, of_answers) AS used
      GROUP BY model
    )
  ) AS tokens_by_model
SELECT
  interactions,
  sessions,
  users,
  errors,
  critical_errors,
  if(interactions = 0, 0, errors / interactions) AS error_rate,
  multiIf(answers > 0, of_answers, calls > 0, of_calls, NULL) AS p95_response_ms,
  tokens_by_model
FROM
(
  SELECT
    count() AS interactions,
    uniq(Tenant, SessionId) AS sessions,
    uniqIf((Tenant, UserId), UserId != '') AS users,
    countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) AS errors,
    countIf(Critical) AS critical_errors,
    countIf(InteractionType = 'assistant_response' AND DurationMs > 0) AS answers,
    countIf(InteractionType = 'generation' AND DurationMs > 0) AS calls,
    quantileTDigestIf(0.95)(DurationMs, InteractionType = 'assistant_response' AND DurationMs > 0) AS of_answers,
    quantileTDigestIf(0.95)(DurationMs, InteractionType = 'generation' AND DurationMs > 0) AS of_calls
  FROM otel.otel_traces
  WHERE InteractionType != '' AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND Timestamp >= {since:DateTime64(9, 'UTC')} AND Timestamp < {until:DateTime64(9, 'UTC')}
)
