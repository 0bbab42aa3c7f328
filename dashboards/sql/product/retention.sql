-- Of those who were active on a day, how many came again on the 1st, 7th, 14th and 28th day after it? Numbers beyond some 60,000 people are estimates.
WITH
  days AS
  (
    SELECT tenant, day, uniqIfMergeState(s.users) AS people
    FROM otel.daily_stats_state AS s
    WHERE $__dateFilter(day)
      AND $__conditionalAll(tenant IN (${tenant:singlequote}), $tenant)
      AND $__conditionalAll(service IN (${service:singlequote}), $service)
    GROUP BY tenant, day
  )
SELECT
  toDateTime(began, 'UTC') AS time,
  if(sumIf(of_began, later = 1) = 0, NULL, greatest(0, sumIf(again, later = 1)) / sumIf(of_began, later = 1)) AS "1 day",
  if(sumIf(of_began, later = 7) = 0, NULL, greatest(0, sumIf(again, later = 7)) / sumIf(of_began, later = 7)) AS "7 days",
  if(sumIf(of_began, later = 14) = 0, NULL, greatest(0, sumIf(again, later = 14)) / sumIf(of_began, later = 14)) AS "14 days",
  if(sumIf(of_began, later = 28) = 0, NULL, greatest(0, sumIf(again, later = 28)) / sumIf(of_began, later = 28)) AS "28 days"
FROM
(
  SELECT
    a.day AS began,
    l.later AS later,
    toInt64(arrayReduce('uniqIfMerge', [a.people])) AS of_began,
    of_began + toInt64(arrayReduce('uniqIfMerge', [b.people])) - toInt64(arrayReduce('uniqIfMerge', [a.people, b.people])) AS again
  FROM days AS a
  CROSS JOIN (SELECT arrayJoin([1, 7, 14, 28]) AS later) AS l
  INNER JOIN days AS b ON b.tenant = a.tenant AND b.day = a.day + l.later
)
GROUP BY time
ORDER BY time
