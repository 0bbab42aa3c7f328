-- The sessions with any activity in this time: how many, how many of those that are over were abandoned, how long and how full they were, and how many had an error.
SELECT
  count() AS "Sessions",
  uniqExactIf((tenant, user_id), user_id != '') AS "Users",
  if(countIf(status != 'active') = 0, NULL, countIf(status = 'abandoned') / countIf(status != 'active')) AS "Abandoned",
  quantileExactOrNull(0.5)(duration_ms) AS "Duration, median",
  avgOrNull(user_messages) AS "Messages of the user",
  if(count() = 0, NULL, countIf(errors > 0) / count()) AS "With errors"
FROM otel.sessions
WHERE {{sessions}}
