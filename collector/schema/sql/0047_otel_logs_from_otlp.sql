-- Segments become log records, in the manner of otel_traces_from_otlp. A record without a time of its own gets the time it
-- was observed, as the exporter does.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otel_logs_from_otlp TO otel.otel_logs AS
SELECT
  fromUnixTimestamp64Nano(toInt64(if(tupleElement(record, 'time_unix_nano') = 0, tupleElement(record, 'observed_time_unix_nano'), tupleElement(record, 'time_unix_nano')))) AS Timestamp,
  if(tupleElement(record, 'trace_id') = repeat('\0', 16), '', lower(hex(tupleElement(record, 'trace_id')))) AS TraceId,
  if(tupleElement(record, 'span_id') = repeat('\0', 8), '', lower(hex(tupleElement(record, 'span_id')))) AS SpanId,
  toUInt8(bitAnd(tupleElement(record, 'flags'), 255)) AS TraceFlags,
  tupleElement(record, 'severity_text') AS SeverityText,
  toUInt8(greatest(0, least(255, tupleElement(record, 'severity_number')))) AS SeverityNumber,
  otel_text(tupleElement(tupleElement(record, 'body'), 1), tupleElement(tupleElement(record, 'body'), 2), tupleElement(tupleElement(record, 'body'), 3), tupleElement(tupleElement(record, 'body'), 4), tupleElement(tupleElement(record, 'body'), 5), tupleElement(tupleElement(record, 'body'), 6), tupleElement(tupleElement(record, 'body'), 7), tupleElement(tupleElement(record, 'body'), 8)) AS Body,
  tupleElement(tupleElement(record, 'body'), 'value') AS BodyType,
  otel_attributes(tupleElement(record, 'attributes')) AS LogAttributes,
  tupleElement(tupleElement(tupleElement(record, 'attributes'), 'value'), 1) AS LogAttributeTypes,
  tupleElement(record, 'event_name') AS EventName,
  fromUnixTimestamp64Nano(toInt64(tupleElement(record, 'observed_time_unix_nano'))) AS ObservedTimestamp,
  tupleElement(record, 'flags') AS Flags,
  tupleElement(record, 'dropped_attributes_count') AS DroppedAttributesCount,
  tupleElement(request, 1) AS Tenant,
  fromUnixTimestamp64Nano(toInt64(tupleElement(request, 2))) AS ReceivedAt,
  tupleElement(request, 3) AS Peer,
  segment AS JournalSegment,
  tupleElement(resource, 1) AS ResourceAttributes,
  tupleElement(resource, 2) AS ResourceAttributeTypes,
  tupleElement(resource, 1)['service.name'] AS ServiceName,
  tupleElement(resource, 3) AS ResourceDroppedAttributesCount,
  tupleElement(resource, 4) AS ResourceSchemaUrl,
  tupleElement(scope, 1) AS ScopeName,
  tupleElement(scope, 2) AS ScopeVersion,
  tupleElement(scope, 3) AS ScopeAttributes,
  tupleElement(scope, 4) AS ScopeAttributeTypes,
  tupleElement(scope, 5) AS ScopeDroppedAttributesCount,
  tupleElement(scope, 6) AS ScopeSchemaUrl
FROM
(
  SELECT
    segment,
    records,
    otel_repeat(of_request, arrayZip(tupleElement(requests, 'tenant'), tupleElement(requests, 'received_unix_nano'), tupleElement(requests, 'peer'))) AS request,
    otel_repeat(of_resource, arrayZip(arraySlice(maps, 1, length(resources)), tupleElement(tupleElement(tupleElement(tupleElement(resources, 'resource'), 'attributes'), 'value'), 1), tupleElement(tupleElement(resources, 'resource'), 'dropped_attributes_count'), tupleElement(resources, 'schema_url'))) AS resource,
    otel_repeat(of_scope, arrayZip(tupleElement(tupleElement(scopes, 'scope'), 'name'), tupleElement(tupleElement(scopes, 'scope'), 'version'), arraySlice(maps, 1 + length(resources)), tupleElement(tupleElement(tupleElement(tupleElement(scopes, 'scope'), 'attributes'), 'value'), 1), tupleElement(tupleElement(scopes, 'scope'), 'dropped_attributes_count'), tupleElement(scopes, 'schema_url'))) AS scope
  FROM
  (
    SELECT
      segment,
      requests,
      arrayFlatten(requests.logs.resource_logs) AS resources,
      arrayFlatten(requests.logs.resource_logs.scope_logs) AS scopes,
      arrayFlatten(requests.logs.resource_logs.scope_logs.log_records) AS records,
      arrayMap(a -> otel_attributes(a), arrayConcat(tupleElement(tupleElement(resources, 'resource'), 'attributes'), tupleElement(tupleElement(scopes, 'scope'), 'attributes'))) AS maps,
      arrayMap(q -> length(arrayFlatten(q)), requests.logs.resource_logs.scope_logs.log_records.flags) AS of_request,
      arrayMap(r -> length(arrayFlatten(r)), tupleElement(tupleElement(tupleElement(resources, 'scope_logs'), 'log_records'), 'flags')) AS of_resource,
      arrayMap(s -> length(s), tupleElement(tupleElement(scopes, 'log_records'), 'flags')) AS of_scope
    FROM otel.otlp_logs
  )
)
ARRAY JOIN records AS record, request, resource, scope
