-- Segments become log records, in the manner of otel_traces_from_otlp. A record without a time of its own gets the time it
-- was observed, as the exporter does.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otel_logs_from_otlp TO otel.otel_logs AS
SELECT
  fromUnixTimestamp64Nano(toInt64(if(record.time_unix_nano = 0, record.observed_time_unix_nano, record.time_unix_nano))) AS Timestamp,
  if(record.trace_id = repeat('\0', 16), '', lower(hex(record.trace_id))) AS TraceId,
  if(record.span_id = repeat('\0', 8), '', lower(hex(record.span_id))) AS SpanId,
  toUInt8(bitAnd(record.flags, 255)) AS TraceFlags,
  record.severity_text AS SeverityText,
  toUInt8(greatest(0, least(255, record.severity_number))) AS SeverityNumber,
  otel_text(record.body.1, record.body.2, record.body.3, record.body.4, record.body.5, record.body.6, record.body.7, record.body.8) AS Body,
  record.body.value AS BodyType,
  otel_attributes(record.attributes) AS LogAttributes,
  record.attributes.value.1 AS LogAttributeTypes,
  record.event_name AS EventName,
  fromUnixTimestamp64Nano(toInt64(record.observed_time_unix_nano)) AS ObservedTimestamp,
  record.flags AS Flags,
  record.dropped_attributes_count AS DroppedAttributesCount,
  request.1 AS Tenant,
  fromUnixTimestamp64Nano(toInt64(request.2)) AS ReceivedAt,
  request.3 AS Peer,
  segment AS JournalSegment,
  resource.1 AS ResourceAttributes,
  resource.2 AS ResourceAttributeTypes,
  resource.1['service.name'] AS ServiceName,
  resource.3 AS ResourceDroppedAttributesCount,
  resource.4 AS ResourceSchemaUrl,
  scope.1 AS ScopeName,
  scope.2 AS ScopeVersion,
  scope.3 AS ScopeAttributes,
  scope.4 AS ScopeAttributeTypes,
  scope.5 AS ScopeDroppedAttributesCount,
  scope.6 AS ScopeSchemaUrl
FROM
(
  SELECT
    segment,
    records,
    otel_repeat(of_request, arrayMap(q -> (q.tenant, q.received_unix_nano, q.peer), requests)) AS request,
    otel_repeat(of_resource, arrayMap(r -> (otel_attributes(r.resource.attributes), r.resource.attributes.value.1, r.resource.dropped_attributes_count, r.schema_url), resources)) AS resource,
    otel_repeat(of_scope, arrayMap(s -> (s.scope.name, s.scope.version, otel_attributes(s.scope.attributes), s.scope.attributes.value.1, s.scope.dropped_attributes_count, s.schema_url), scopes)) AS scope
  FROM
  (
    SELECT
      segment,
      requests,
      arrayFlatten(requests.logs.resource_logs) AS resources,
      arrayFlatten(requests.logs.resource_logs.scope_logs) AS scopes,
      arrayFlatten(requests.logs.resource_logs.scope_logs.log_records) AS records,
      arrayMap(q -> length(arrayFlatten(q)), requests.logs.resource_logs.scope_logs.log_records.flags) AS of_request,
      arrayMap(r -> length(arrayFlatten(r)), arrayMap(r -> r.scope_logs.log_records.flags, resources)) AS of_resource,
      arrayMap(s -> length(s.log_records), scopes) AS of_scope
    FROM otel.otlp_logs
  )
)
ARRAY JOIN records AS record, request, resource, scope
