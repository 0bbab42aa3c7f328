-- One row a data point of a gauge. Column names and types are those of the OpenTelemetry Collector's ClickHouse exporter
-- (times keep their nanoseconds, its newest tables cut them to seconds), the second half is ours and makes the row lossless:
-- Value is a Float64 and cannot hold every int64, ValueInt can. Its six bloom filters over attributes are left out: the sorting
-- key narrows a metric to a few granules, and each filter costs at every insert.
CREATE TABLE IF NOT EXISTS otel.otel_metrics_gauge
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
  Value Float64 CODEC(ZSTD(1)),
  Flags UInt32 CODEC(ZSTD(1)),
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
  Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
  ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
  Peer LowCardinality(String) CODEC(ZSTD(1)),
  JournalSegment LowCardinality(String) CODEC(ZSTD(1)),
  ValueInt Int64 COMMENT 'the value exactly, where ValueType is int' CODEC(ZSTD(1)),
  ValueType Enum8('double' = 0, 'int' = 1, 'empty' = 2) COMMENT 'which member of the oneof was sent, empty is none' CODEC(ZSTD(1)),
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
