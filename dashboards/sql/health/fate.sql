-- What became of every request since the collector started: received = refused + sent again + empty + journaled, and journaled + found at the start = stored + dead + pending. Unaccounted is 0, or a request is just on its way.
SELECT
  signal AS "Signal",
  sumIf(value, fate = 'received') AS "Received",
  sumIf(value, fate = 'refused') AS "Refused",
  sumIf(value, fate = 'duplicate') AS "Sent again",
  sumIf(value, fate = 'empty') AS "Empty",
  sumIf(value, fate = 'journaled') AS "Journaled",
  sumIf(value, fate = 'recovered') AS "Found at the start",
  sumIf(value, fate = 'stored') AS "Stored",
  sumIf(value, fate = 'dead') AS "Dead",
  "Journaled" + "Found at the start" - "Stored" - "Dead" AS "Pending",
  "Received" - "Refused" - "Sent again" - "Empty" - "Journaled" AS "Unaccounted"
FROM
(
  SELECT
    Attributes['signal'] AS signal,
    extract(CAST(MetricName, 'String'), '_requests_([a-z]+?)(?:_total)?$') AS fate,
    argMax(Value, TimeUnix) AS value
  FROM otel.otel_metrics_sum
  WHERE {{own}}
    AND MetricName LIKE '%\_requests\_%'
  GROUP BY ResourceAttributes, Attributes, signal, fate
)
WHERE signal != ''
GROUP BY signal
ORDER BY "Received" DESC, "Signal"
