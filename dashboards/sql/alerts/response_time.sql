-- How long, in ms, did 95 of 100 answers take at most, where there were 20 at least?
SELECT if(count() < 20, 0, quantileTDigest(0.95)(DurationMs)) AS value
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND InteractionType IN ('assistant_response', 'generation') AND DurationMs > 0
