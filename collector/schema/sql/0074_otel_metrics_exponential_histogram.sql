-- One row a data point of an exponential histogram: the exporter's columns, then ours, as in otel_metrics_histogram. The name
-- is what the exporter called it for years and ClickStack does, its newest default is otel_metrics_exp_histogram. A view of that
-- name would stand in the exporter's way, which writes into this database as well: it cannot be written to, CREATE TABLE IF NOT
-- EXISTS would take it for the table, and the failing insert would be tried again with all its batch. So there is none.
CREATE TABLE IF NOT EXISTS otel.otel_metrics_exponential_histogram
(
  ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ResourceSchemaUrl String CODEC(ZSTD(1)),
  ScopeName String CODEC(ZSTD(1)),
  ScopeVersion String CODEC(ZSTD(1)),
  ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
  ScopeSchemaUrl String CODEC(ZSTD(1)),
  ServiceName LowCardinality(String) CODEC(ZSTD(1)),
  MetricName LowCardinality(String) CODEC(ZSTD(1)),
  MetricDescription String CODEC(ZSTD(1)),
  MetricUnit String CODEC(ZSTD(1)),
  Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
  TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
  Count UInt64 CODEC(Delta(8), ZSTD(1)),
  Sum Float64 CODEC(ZSTD(1)),
  Scale Int32 CODEC(ZSTD(1)),
  ZeroCount UInt64 CODEC(ZSTD(1)),
  PositiveOffset Int32 CODEC(ZSTD(1)),
  PositiveBucketCounts Array(UInt64) CODEC(ZSTD(1)),
  NegativeOffset Int32 CODEC(ZSTD(1)),
  NegativeBucketCounts Array(UInt64) CODEC(ZSTD(1)),
  Exemplars Nested
  (
    FilteredAttributes Map(LowCardinality(String), String),
    TimeUnix DateTime64(9),
    Value Float64,
    SpanId String,
    TraceId String,
    FilteredAttributeTypes Array(UInt8),
    ValueInt Int64,
    ValueType Enum8('double' = 0, 'int' = 1, 'empty' = 2)
  ) CODEC(ZSTD(1)),
  Flags UInt32 CODEC(ZSTD(1)),
  Min Float64 CODEC(ZSTD(1)),
  Max Float64 CODEC(ZSTD(1)),
  AggregationTemporality Int32 COMMENT '1 delta, 2 cumulative' CODEC(ZSTD(1)),
  Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
  ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
  Peer LowCardinality(String) CODEC(ZSTD(1)),
  JournalSegment LowCardinality(String) CODEC(ZSTD(1)),
  HasSum Bool DEFAULT true COMMENT 'false where no sum was sent and Sum is 0 for want of one' CODEC(ZSTD(1)),
  HasMin Bool DEFAULT true CODEC(ZSTD(1)),
  HasMax Bool DEFAULT true CODEC(ZSTD(1)),
  ZeroThreshold Float64 CODEC(ZSTD(1)),
  AttributeTypes Array(UInt8) COMMENT 'OTLP AnyValue tag of each Attributes entry, in order: 0 empty, 1 string, 2 bool, 3 int, 4 double, 5 array, 6 map, 7 bytes' CODEC(ZSTD(1)),
  MetricMetadata Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  MetricMetadataTypes Array(UInt8) CODEC(ZSTD(1)),
  ScopeAttributeTypes Array(UInt8) CODEC(ZSTD(1)),
  ResourceAttributeTypes Array(UInt8) CODEC(ZSTD(1)),
  ResourceDroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  INDEX time TimeUnix TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1, merge_selector_base = 20
