-- Segments become spans. What each span shares with others (its request, resource and scope) is rendered once and repeated
-- into arrays as long as the spans, then one ARRAY JOIN unfolds all. Joining level by level copied every nested column at
-- each level, and naming nothing twice keeps the analysis short, which ClickHouse repeats at every insert. So does
-- tupleElement(span, 'name') instead of span.name: each dot costs the analysis a millisecond, 127 -> 78 ms for this view. And
-- so does rendering attributes together, those of resources and scopes (`maps`), and of events and links (`inner_maps`): each
-- otel_attributes more costs 10 ms. The spans' own are the bulk. Putting them with others would copy them, 2 us a span.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otel_traces_from_otlp TO otel.otel_traces AS
WITH arrayMap(a -> otel_attributes(a), arrayConcat(tupleElement(tupleElement(span, 'events'), 'attributes'), tupleElement(tupleElement(span, 'links'), 'attributes'))) AS inner_maps
SELECT
  fromUnixTimestamp64Nano(toInt64(tupleElement(span, 'start_time_unix_nano'))) AS Timestamp,
  if(tupleElement(span, 'trace_id') = repeat('\0', 16), '', lower(hex(tupleElement(span, 'trace_id')))) AS TraceId,
  if(tupleElement(span, 'span_id') = repeat('\0', 8), '', lower(hex(tupleElement(span, 'span_id')))) AS SpanId,
  if(tupleElement(span, 'parent_span_id') = repeat('\0', 8), '', lower(hex(tupleElement(span, 'parent_span_id')))) AS ParentSpanId,
  tupleElement(span, 'trace_state') AS TraceState,
  tupleElement(span, 'name') AS SpanName,
  ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'][if(tupleElement(span, 'kind') < 0, 99, tupleElement(span, 'kind')) + 1] AS SpanKind,
  otel_attributes(tupleElement(span, 'attributes')) AS SpanAttributes,
  tupleElement(tupleElement(tupleElement(span, 'attributes'), 'value'), 1) AS SpanAttributeTypes,
  if(tupleElement(span, 'end_time_unix_nano') > tupleElement(span, 'start_time_unix_nano'), tupleElement(span, 'end_time_unix_nano') - tupleElement(span, 'start_time_unix_nano'), 0) AS Duration,
  ['Unset', 'Ok', 'Error'][if(tupleElement(tupleElement(span, 'status'), 'code') < 0, 99, tupleElement(tupleElement(span, 'status'), 'code')) + 1] AS StatusCode,
  tupleElement(tupleElement(span, 'status'), 'message') AS StatusMessage,
  arrayMap(t -> fromUnixTimestamp64Nano(toInt64(t)), tupleElement(tupleElement(span, 'events'), 'time_unix_nano')) AS `Events.Timestamp`,
  tupleElement(tupleElement(span, 'events'), 'name') AS `Events.Name`,
  arraySlice(inner_maps, 1, length(tupleElement(tupleElement(span, 'events'), 'name'))) AS `Events.Attributes`,
  tupleElement(tupleElement(span, 'events'), 'dropped_attributes_count') AS `Events.DroppedAttributesCount`,
  arrayMap(i -> if(i = repeat('\0', 16), '', lower(hex(i))), tupleElement(tupleElement(span, 'links'), 'trace_id')) AS `Links.TraceId`,
  arrayMap(i -> if(i = repeat('\0', 8), '', lower(hex(i))), tupleElement(tupleElement(span, 'links'), 'span_id')) AS `Links.SpanId`,
  tupleElement(tupleElement(span, 'links'), 'trace_state') AS `Links.TraceState`,
  arraySlice(inner_maps, 1 + length(tupleElement(tupleElement(span, 'events'), 'name'))) AS `Links.Attributes`,
  tupleElement(tupleElement(span, 'links'), 'dropped_attributes_count') AS `Links.DroppedAttributesCount`,
  tupleElement(tupleElement(span, 'links'), 'flags') AS `Links.Flags`,
  tupleElement(span, 'flags') AS Flags,
  tupleElement(span, 'dropped_attributes_count') AS DroppedAttributesCount,
  tupleElement(span, 'dropped_events_count') AS DroppedEventsCount,
  tupleElement(span, 'dropped_links_count') AS DroppedLinksCount,
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
    spans,
    otel_repeat(of_request, arrayZip(tupleElement(requests, 'tenant'), tupleElement(requests, 'received_unix_nano'), tupleElement(requests, 'peer'))) AS request,
    otel_repeat(of_resource, arrayZip(arraySlice(maps, 1, length(resources)), tupleElement(tupleElement(tupleElement(tupleElement(resources, 'resource'), 'attributes'), 'value'), 1), tupleElement(tupleElement(resources, 'resource'), 'dropped_attributes_count'), tupleElement(resources, 'schema_url'))) AS resource,
    otel_repeat(of_scope, arrayZip(tupleElement(tupleElement(scopes, 'scope'), 'name'), tupleElement(tupleElement(scopes, 'scope'), 'version'), arraySlice(maps, 1 + length(resources)), tupleElement(tupleElement(tupleElement(tupleElement(scopes, 'scope'), 'attributes'), 'value'), 1), tupleElement(tupleElement(scopes, 'scope'), 'dropped_attributes_count'), tupleElement(scopes, 'schema_url'))) AS scope
  FROM
  (
    SELECT
      segment,
      requests,
      arrayFlatten(requests.traces.resource_spans) AS resources,
      arrayFlatten(requests.traces.resource_spans.scope_spans) AS scopes,
      arrayFlatten(requests.traces.resource_spans.scope_spans.spans) AS spans,
      arrayMap(a -> otel_attributes(a), arrayConcat(tupleElement(tupleElement(resources, 'resource'), 'attributes'), tupleElement(tupleElement(scopes, 'scope'), 'attributes'))) AS maps,
      arrayMap(q -> length(arrayFlatten(q)), requests.traces.resource_spans.scope_spans.spans.kind) AS of_request,
      arrayMap(r -> length(arrayFlatten(r)), tupleElement(tupleElement(tupleElement(resources, 'scope_spans'), 'spans'), 'kind')) AS of_resource,
      arrayMap(s -> length(s), tupleElement(tupleElement(scopes, 'spans'), 'kind')) AS of_scope
    FROM otel.otlp_traces
  )
)
ARRAY JOIN spans AS span, request, resource, scope

