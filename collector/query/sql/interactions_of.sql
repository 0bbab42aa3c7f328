-- What are these interactions, the newest first?
SELECT *, toUnixTimestamp64Nano(ts) AS nano
FROM otel.interactions
WHERE trace_id IN {traces:Array(String)} AND span_id IN {spans:Array(String)}
ORDER BY ts DESC, span_id DESC
