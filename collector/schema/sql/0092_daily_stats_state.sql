-- What happened each day, by tenant, service and type, as aggregate states: each batch adds to it. Charts over weeks read
-- these few rows. Read it through the view `daily_stats`. Users and sessions of several rows are counted with uniqMerge, as
-- one who did two things is in two rows. Days are those of UTC, whatever the server's time zone.
-- All segments of a day meet in the same few rows, so the name of the newest one is kept beside the sums: after a power cut it
-- tells which of the last segments are in them (load/behind.py).
CREATE TABLE IF NOT EXISTS otel.daily_stats_state
(
  tenant LowCardinality(String),
  day Date,
  service LowCardinality(String),
  type LowCardinality(String),
  interactions SimpleAggregateFunction(sum, UInt64),
  errors SimpleAggregateFunction(sum, UInt64),
  input_tokens SimpleAggregateFunction(sum, UInt64),
  output_tokens SimpleAggregateFunction(sum, UInt64),
  cost_usd SimpleAggregateFunction(sum, Nullable(Float64)) COMMENT 'as the spans say, NULL where none did',
  timed SimpleAggregateFunction(sum, UInt64) COMMENT 'interactions that took a time',
  duration_ms SimpleAggregateFunction(sum, Float64) COMMENT 'of all of these together',
  durations AggregateFunction(quantilesTDigestIf(0.5, 0.9, 0.95, 0.99), Float64, UInt8),
  newest_segment SimpleAggregateFunction(max, String) COMMENT 'of the journal, in these numbers',
  users AggregateFunction(uniqIf, String, UInt8),
  sessions AggregateFunction(uniq, String)
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, day, service, type)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 20
