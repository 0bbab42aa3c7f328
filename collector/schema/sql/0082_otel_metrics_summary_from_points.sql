-- Keep the points of summaries.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otel_metrics_summary_from_points TO otel.otel_metrics_summary AS
SELECT
  Tenant,
  ReceivedAt,
  Peer,
  JournalSegment,
  ResourceAttributes,
  ResourceAttributeTypes,
  ResourceDroppedAttributesCount,
  ResourceSchemaUrl,
  ServiceName,
  ScopeName,
  ScopeVersion,
  ScopeAttributes,
  ScopeAttributeTypes,
  ScopeDroppedAttrCount,
  ScopeSchemaUrl,
  MetricName,
  MetricDescription,
  MetricUnit,
  MetricMetadata,
  MetricMetadataTypes,
  Attributes,
  AttributeTypes,
  StartTimeUnix,
  TimeUnix,
  Flags,
  Count,
  Sum,
  `ValueAtQuantiles.Quantile`,
  `ValueAtQuantiles.Value`
FROM otel.otlp_metric_points
WHERE data = 'summary'
