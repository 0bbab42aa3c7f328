-- How did sessions end, those of nobody's end as abandoned?
SELECT multiIf(status = 'abandoned', 'abandoned', end_reason = '', 'no reason given', end_reason) AS reason, count() AS sessions
FROM otel.sessions
WHERE {{sessions}}
  AND status != 'active'
GROUP BY reason
ORDER BY sessions DESC, reason
LIMIT 12
