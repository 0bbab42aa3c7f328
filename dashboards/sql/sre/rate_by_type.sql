-- How many interactions a second, by type?
SELECT $__timeInterval(Timestamp) AS time, InteractionType AS series, count() / {{> bucket_seconds}} AS rate
FROM otel.otel_traces
WHERE {{interactions}}
GROUP BY time, series
ORDER BY time, series
