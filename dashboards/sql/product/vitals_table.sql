-- Each measurement: how often, its p75 and p95, and whether p75 is what web.dev calls good, for LCP, INP, CLS, FCP and TTFB.
SELECT
  MetricName AS "Measure",
  count() AS "Times",
  quantileTDigest(0.75)(assumeNotNull(MetricValue)) AS "p75",
  quantileTDigest(0.95)(assumeNotNull(MetricValue)) AS "p95",
  transform(CAST(MetricName, 'String'), ['LCP', 'INP', 'CLS', 'FCP', 'TTFB'], [2500, 200, 0.1, 1800, 800], 0.) AS good,
  transform(CAST(MetricName, 'String'), ['LCP', 'INP', 'CLS', 'FCP', 'TTFB'], [4000, 500, 0.25, 3000, 1800], 0.) AS poor,
  multiIf(good = 0, '', "p75" <= good, 'good', "p75" <= poor, 'needs work', 'poor') AS "Is"
FROM otel.otel_traces
WHERE {{interactions -type}}
  AND InteractionType = 'performance_metric' AND isNotNull(MetricValue)
GROUP BY MetricName
ORDER BY "Times" DESC, "Measure"
LIMIT 50
