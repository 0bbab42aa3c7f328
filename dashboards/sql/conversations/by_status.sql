-- When did the sessions begin, and what became of them: active, ended or abandoned as of now?
SELECT $__timeInterval(started_at) AS time, status AS series, count() AS sessions
FROM otel.sessions
WHERE {{begun}}
GROUP BY time, series
ORDER BY time, series
