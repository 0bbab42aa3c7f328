-- How long do answers of each model take, p95?
SELECT $__timeInterval(Timestamp) AS time, if(ResponseModel != '', ResponseModel, Model) AS series, quantileTDigest(0.95)(DurationMs) AS p95
FROM otel.otel_traces
WHERE {{interactions}}
  AND InteractionType IN ('assistant_response', 'generation')
  AND DurationMs > 0 AND series != ''
GROUP BY time, series
ORDER BY time, series
