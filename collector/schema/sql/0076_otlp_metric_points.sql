-- One row a data point of whatever kind, decoded, under the names of the five tables' columns. The table keeps nothing (Null):
-- each of its views takes the points of its kind. `data` is OTLP's number of the kind.
CREATE TABLE IF NOT EXISTS otel.otlp_metric_points
(
  data Enum8('none' = 0, 'gauge' = 5, 'sum' = 7, 'histogram' = 9, 'exponential_histogram' = 10, 'summary' = 11),
  Tenant LowCardinality(String),
  ReceivedAt DateTime64(9),
  Peer LowCardinality(String),
  JournalSegment LowCardinality(String),
  ResourceAttributes Map(LowCardinality(String), String),
  ResourceAttributeTypes Array(UInt8),
  ResourceDroppedAttributesCount UInt32,
  ResourceSchemaUrl String,
  ServiceName LowCardinality(String),
  ScopeName String,
  ScopeVersion String,
  ScopeAttributes Map(LowCardinality(String), String),
  ScopeAttributeTypes Array(UInt8),
  ScopeDroppedAttrCount UInt32,
  ScopeSchemaUrl String,
  MetricName LowCardinality(String),
  MetricDescription String,
  MetricUnit String,
  MetricMetadata Map(LowCardinality(String), String),
  MetricMetadataTypes Array(UInt8),
  AggregationTemporality Int32,
  IsMonotonic Bool,
  Attributes Map(LowCardinality(String), String),
  AttributeTypes Array(UInt8),
  StartTimeUnix DateTime64(9),
  TimeUnix DateTime64(9),
  Flags UInt32,
  Exemplars Nested
  (
    FilteredAttributes Map(LowCardinality(String), String),
    FilteredAttributeTypes Array(UInt8),
    TimeUnix DateTime64(9),
    Value Float64,
    ValueInt Int64,
    ValueType Enum8('double' = 0, 'int' = 1, 'empty' = 2),
    SpanId String,
    TraceId String
  ),
  Value Float64,
  ValueInt Int64,
  ValueType Enum8('double' = 0, 'int' = 1, 'empty' = 2),
  Count UInt64,
  Sum Float64,
  HasSum Bool,
  Min Float64,
  HasMin Bool,
  Max Float64,
  HasMax Bool,
  BucketCounts Array(UInt64),
  ExplicitBounds Array(Float64),
  Scale Int32,
  ZeroCount UInt64,
  ZeroThreshold Float64,
  PositiveOffset Int32,
  PositiveBucketCounts Array(UInt64),
  NegativeOffset Int32,
  NegativeBucketCounts Array(UInt64),
  ValueAtQuantiles Nested
  (
    Quantile Float64,
    Value Float64
  )
)
ENGINE = Null
