-- How long, in ms, did 95 of 100 answers (calls of models where a service records no answers) take at most, where there were 20 at least?
SELECT if(count() < 20, 0, quantileTDigest(0.95)(DurationMs)) AS value
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND {{> answered}} AND DurationMs > 0
