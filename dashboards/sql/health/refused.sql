-- Why were requests refused, and how many, since the collector started?
SELECT reason AS "Reason", signal AS "Signal", sum(value) AS "Requests"
FROM
(
  SELECT Attributes['reason'] AS reason, Attributes['signal'] AS signal, argMax(Value, TimeUnix) AS value
  FROM otel.otel_metrics_sum
  WHERE {{own}}
    AND MetricName IN ('otel_interactions_collector_requests_refused_total', 'otel_interactions_collector_requests_refused')
  GROUP BY ResourceAttributes, Attributes, reason, signal
)
GROUP BY reason, signal
HAVING "Requests" > 0
ORDER BY "Requests" DESC, "Reason", "Signal"
