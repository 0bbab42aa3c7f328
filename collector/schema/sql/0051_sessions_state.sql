-- What is known of each session, as aggregate states: every interaction adds to it in whatever order it arrives, from
-- whichever process. Read it through the view `sessions`.
CREATE TABLE IF NOT EXISTS otel.sessions_state
(
  tenant LowCardinality(String),
  session_id String,
  trace_id AggregateFunction(argMin, String, Tuple(UInt8, DateTime64(9, 'UTC'))) COMMENT 'of the first session_start, else of the first interaction',
  user_id AggregateFunction(argMaxIf, String, DateTime64(9, 'UTC'), UInt8),
  service AggregateFunction(argMinIf, String, DateTime64(9, 'UTC'), UInt8),
  model AggregateFunction(argMaxIf, String, DateTime64(9, 'UTC'), UInt8),
  mode AggregateFunction(argMaxIf, String, DateTime64(9, 'UTC'), UInt8),
  end_reason AggregateFunction(argMaxIf, String, DateTime64(9, 'UTC'), UInt8),
  started_at SimpleAggregateFunction(min, DateTime64(9, 'UTC')),
  last_activity_at SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
  last_start_at SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
  last_end_at SimpleAggregateFunction(max, DateTime64(9, 'UTC')),
  interactions SimpleAggregateFunction(sum, UInt64),
  user_messages SimpleAggregateFunction(sum, UInt64),
  assistant_responses SimpleAggregateFunction(sum, UInt64),
  generations_asked SimpleAggregateFunction(sum, UInt64),
  generations_answered SimpleAggregateFunction(sum, UInt64),
  tool_calls SimpleAggregateFunction(sum, UInt64),
  errors SimpleAggregateFunction(sum, UInt64),
  response_input_tokens SimpleAggregateFunction(sum, UInt64),
  response_output_tokens SimpleAggregateFunction(sum, UInt64),
  generation_input_tokens SimpleAggregateFunction(sum, UInt64),
  generation_output_tokens SimpleAggregateFunction(sum, UInt64),
  cost_usd SimpleAggregateFunction(sum, Nullable(Float64))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, session_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 20
