-- How many times the usual share of sessions was abandoned in this time, compared with the week before it? 0 where fewer than 20 are over, or fewer than 30 of 100 were abandoned.
SELECT if(over < 20 OR abandoned / over < 0.3, 0, (abandoned / over) / greatest(if(over_before = 0, 0, abandoned_before / over_before), 0.05)) AS value
FROM
(
  SELECT
    countIf(status != 'active' AND last_activity_at >= $__fromTime) AS over,
    countIf(status = 'abandoned' AND last_activity_at >= $__fromTime) AS abandoned,
    countIf(status != 'active' AND last_activity_at < $__fromTime) AS over_before,
    countIf(status = 'abandoned' AND last_activity_at < $__fromTime) AS abandoned_before
  FROM otel.sessions
  WHERE $__timeTo(last_activity_at) AND last_activity_at >= $__fromTime - toIntervalDay(7)
    AND (tenant, session_id) IN (SELECT tenant, session_id FROM otel.sessions_state WHERE last_activity_at >= $__fromTime - toIntervalDay(7))
)
