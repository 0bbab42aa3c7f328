-- Which share of the interactions failed, where there were 20 at least?
SELECT if(count() < 20, 0, countIf(InteractionType = 'error' OR (StatusCode = 'Error' AND InteractionType != 'session_end')) / count()) AS value
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND InteractionType != ''
