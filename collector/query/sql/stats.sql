-- How much happened, of each type, day by day (UTC)?
-- Parameters: `since`, `until`: every day that they touch; `tenant`, '' for all. One row, also where nothing happened, in the shape
-- of GET /api/interactions/stats: maps from type to number, and from day to type (and total) to number. From `daily_stats`: sessions
-- beyond some 60,000 are estimates.
WITH
  toDate({since:DateTime64(9, 'UTC')}) AS first_day,
  toDate({until:DateTime64(9, 'UTC')} - toIntervalNanosecond(1)) AS last_day,
  (
    SELECT sum(of_tenant)
    FROM
    (
      SELECT uniqMerge(sessions) AS of_tenant
      FROM otel.daily_stats_state
      WHERE ({tenant:String} = '' OR tenant = {tenant:String}) AND day BETWEEN first_day AND last_day
      GROUP BY tenant
    )
  ) AS all_sessions
SELECT
  sum(of_day) AS total_interactions,
  ifNull(all_sessions, 0) AS total_sessions,
  sumMap(types) AS interaction_types,
  mapFromArrays(groupArray(toString(day)), groupArray(mapUpdate(types, map('total', of_day)))) AS daily_breakdown
FROM
(
  SELECT day, sum(number) AS of_day, mapFromArrays(groupArray(kind), groupArray(number)) AS types
  FROM
  (
    SELECT day, CAST(type, 'String') AS kind, sum(interactions) AS number
    FROM otel.daily_stats_state
    WHERE ({tenant:String} = '' OR tenant = {tenant:String}) AND day BETWEEN first_day AND last_day
    GROUP BY day, kind
    ORDER BY day, kind
  )
  GROUP BY day
  ORDER BY day
)
