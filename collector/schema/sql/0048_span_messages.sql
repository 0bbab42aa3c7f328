-- Messages of model calls that came as log records (OpenTelemetry's GenAI events), by the span they belong to. The same
-- record twice is one row.
CREATE TABLE IF NOT EXISTS otel.span_messages
(
  Tenant LowCardinality(String) CODEC(ZSTD(1)),
  TraceId String CODEC(ZSTD(1)),
  SpanId String CODEC(ZSTD(1)),
  Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
  Hash UInt64 COMMENT 'of what follows' CODEC(ZSTD(1)),
  Instructions String COMMENT 'messages, JSON, a comma after each' CODEC(ZSTD(1)),
  Input String CODEC(ZSTD(1)),
  Output String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Tenant, TraceId, SpanId, Timestamp, Hash)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 20
