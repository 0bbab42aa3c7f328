-- How much did one user do, of each type, day by day (UTC)? As `stats`, from the interactions that the viewer sees.
SELECT
  sum(number) AS total_interactions,
  uniqExactArray(sessions) AS total_sessions,
  sumMap(map(kind, number)) AS interaction_types,
  groupArray((toString(day), kind, number)) AS of_day
FROM
(
  SELECT toDate(ts) AS day, CAST(type, 'String') AS kind, count() AS number, groupUniqArray((tenant, session_id)) AS sessions
  FROM otel.interactions
  WHERE ts >= toStartOfDay({since:DateTime64(9, 'UTC')}) AND ts < {until:DateTime64(9, 'UTC')}
  GROUP BY day, kind
  ORDER BY day, kind
)
