-- What models cost, in USD per million tokens: data, so that a price is an INSERT and no new version. The cost of a call is
-- computed when asked (query/sql/tokens_and_cost.sql), by the price that was valid on the day of the call (UTC). A call of a
-- model that is not here has no cost (NULL), not 0. What a span says itself (interaction.cost_usd) goes before all of this.
--
-- To add a price, or a new one from some day on (nothing is changed or deleted, the last one inserted for a day holds), start the
-- collector with --model-prices FILE, or on a server:
--   INSERT INTO otel.model_prices (provider, model, valid_from, input_usd, cached_input_usd, output_usd)
--   VALUES ('openai', 'my-model-*', '2026-01-01', 1.5, 0.15, 6)
-- With a `tenant` it holds for that tenant alone and goes before everybody's.
--
-- Which price: of those whose model is the answer's, else the request's, a tenant's own before everybody's, then the longest
-- model, the latest valid_from. Prices are of text: a model that is spoken with, or dearer beyond some length, has no single one.
CREATE TABLE IF NOT EXISTS otel.model_prices
(
  tenant LowCardinality(String) COMMENT 'whom it holds for, empty for everybody',
  provider LowCardinality(String) COMMENT 'gen_ai.provider.name, empty for any, and a call that names no provider fits each',
  model String COMMENT 'its name, or with * at its end how it begins',
  valid_from Date COMMENT 'first day, UTC',
  input_usd Float64 COMMENT 'per million input tokens that are not cached',
  cached_input_usd Nullable(Float64) COMMENT 'per million input tokens from a cache, NULL for unknown, then calls with any have no cost',
  output_usd Float64 COMMENT 'per million output tokens, reasoning included',
  inserted_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (tenant, provider, model, valid_from)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
