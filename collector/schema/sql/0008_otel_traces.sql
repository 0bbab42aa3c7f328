-- One row a span. Column names and renderings are those of the OpenTelemetry Collector's ClickHouse exporter, so that
-- its rows, Grafana's plugin and ClickStack fit, the second half is ours and makes the row lossless.
-- Deduplication: a token is remembered for the last 10,000 blocks. Inserts are synced to disk, because the journal forgets a
-- segment once ClickHouse has confirmed it.
CREATE TABLE IF NOT EXISTS otel.otel_traces
(
  Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
  TraceId String CODEC(ZSTD(1)),
  SpanId String CODEC(ZSTD(1)),
  ParentSpanId String CODEC(ZSTD(1)),
  TraceState String CODEC(ZSTD(1)),
  SpanName LowCardinality(String) CODEC(ZSTD(1)),
  SpanKind LowCardinality(String) CODEC(ZSTD(1)),
  ServiceName LowCardinality(String) CODEC(ZSTD(1)),
  ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ScopeName String CODEC(ZSTD(1)),
  ScopeVersion String CODEC(ZSTD(1)),
  SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  Duration UInt64 CODEC(ZSTD(1)),
  StatusCode LowCardinality(String) CODEC(ZSTD(1)),
  StatusMessage String CODEC(ZSTD(1)),
  Events Nested
  (
    Timestamp DateTime64(9),
    Name LowCardinality(String),
    Attributes Map(LowCardinality(String), String),
    DroppedAttributesCount UInt32
  ) CODEC(ZSTD(1)),
  Links Nested
  (
    TraceId String,
    SpanId String,
    TraceState String,
    Attributes Map(LowCardinality(String), String),
    DroppedAttributesCount UInt32,
    Flags UInt32
  ) CODEC(ZSTD(1)),
  Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
  ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
  Peer LowCardinality(String) CODEC(ZSTD(1)),
  JournalSegment LowCardinality(String) CODEC(ZSTD(1)),
  Flags UInt32 CODEC(ZSTD(1)),
  SpanAttributeTypes Array(UInt8) COMMENT 'OTLP AnyValue tag of each SpanAttributes entry, in order: 0 empty, 1 string, 2 bool, 3 int, 4 double, 5 array, 6 map, 7 bytes' CODEC(ZSTD(1)),
  DroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  DroppedEventsCount UInt32 CODEC(ZSTD(1)),
  DroppedLinksCount UInt32 CODEC(ZSTD(1)),
  ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ScopeAttributeTypes Array(UInt8) CODEC(ZSTD(1)),
  ScopeDroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
  ResourceAttributeTypes Array(UInt8) CODEC(ZSTD(1)),
  ResourceDroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
  INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1
