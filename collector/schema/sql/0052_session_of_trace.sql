-- Which session a trace belongs to, where an agent's run names it and the model calls inside do not. Where several do, it is the
-- one whose id comes first, so that nothing counts twice (`min`). Our SDK names it on every span, and its traces are not here.
CREATE TABLE IF NOT EXISTS otel.session_of_trace
(
  tenant LowCardinality(String),
  trace_id String,
  session_id SimpleAggregateFunction(min, String)
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, trace_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 20
