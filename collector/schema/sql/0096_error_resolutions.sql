-- What people said of errors: that one is settled, or is open again. The last word holds (`FINAL`). The error itself is a row of
-- otel_traces, which nobody changes.
CREATE TABLE IF NOT EXISTS otel.error_resolutions
(
  tenant LowCardinality(String),
  trace_id String,
  span_id String,
  resolved Bool,
  note String,
  said_by String COMMENT 'id of the key, empty where none is asked for',
  said_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(said_at)
ORDER BY (tenant, trace_id, span_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
