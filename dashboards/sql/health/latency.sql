-- How long did 95 of 100 take at most: syncs of the journal to disk, acknowledgements (which wait for one), and loads of a segment into ClickHouse? To the next bound of the collector's histograms.
SELECT
  time,
  what AS series,
  if(place = 0 OR place > length(bounds), bounds[-1], bounds[place]) AS seconds
FROM
(
  SELECT
    time,
    what,
    any(bounds) AS bounds,
    sumForEach(risen) AS counts,
    arrayFirstIndex(reached -> reached >= 0.95 * arraySum(counts), arrayCumSum(counts)) AS place
  FROM
  (
    SELECT
      time,
      what,
      bounds,
      arrayMap((now, before) -> greatest(0, toInt64(now) - toInt64(before)), counted,
        if(row_number() OVER way = 1, counted, lagInFrame(counted) OVER way)) AS risen
    FROM
    (
      SELECT
        $__timeInterval(TimeUnix) AS time,
        extract(CAST(MetricName, 'String'), 'collector_([a-z_]+)_duration_seconds$') AS what,
        cityHash64(ResourceAttributes, Attributes) AS histogram,
        argMax(BucketCounts, TimeUnix) AS counted,
        any(ExplicitBounds) AS bounds
      FROM otel.otel_metrics_histogram
      WHERE {{own}}
        AND MetricName IN ('otel_interactions_collector_journal_sync_duration_seconds', 'otel_interactions_collector_acknowledgement_duration_seconds', 'otel_interactions_collector_load_duration_seconds')
      GROUP BY time, what, histogram
    )
    WINDOW way AS (PARTITION BY what, histogram ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
  )
  GROUP BY time, what
  HAVING arraySum(counts) > 0
)
ORDER BY time, series
