-- Trace id -> when it happened, so that a lookup by trace reads a few partitions and not all. Seconds precision, as the
-- exporter's: readers take End + 1, and aggregate once more.
CREATE TABLE IF NOT EXISTS otel.otel_traces_trace_id_ts
(
  TraceId String CODEC(ZSTD(1)),
  Start SimpleAggregateFunction(min, DateTime) CODEC(Delta(4), ZSTD(1)),
  End SimpleAggregateFunction(max, DateTime) CODEC(Delta(4), ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toStartOfWeek(Start)
ORDER BY TraceId
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 20
