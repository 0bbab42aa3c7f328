-- How many journal segments of spans were loaded, and how many spans does one have on average? Small ones cost most for each span.
SELECT
  $__timeInterval(ReceivedAt) AS time,
  uniq(JournalSegment) AS "segments",
  count() / uniq(JournalSegment) AS "spans in each"
FROM otel.otel_traces
WHERE {{received}}
  AND JournalSegment != ''
GROUP BY time
ORDER BY time
