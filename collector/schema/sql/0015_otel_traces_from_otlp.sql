-- Segments become spans. What each span shares with others (its request, resource and scope) is rendered once and repeated
-- into arrays as long as the spans, then one ARRAY JOIN unfolds all. Joining level by level copied every nested column at
-- each level, and naming nothing twice keeps the analysis short, which ClickHouse repeats at every insert.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otel_traces_from_otlp TO otel.otel_traces AS
SELECT
  fromUnixTimestamp64Nano(toInt64(span.start_time_unix_nano)) AS Timestamp,
  if(span.trace_id = repeat('\0', 16), '', lower(hex(span.trace_id))) AS TraceId,
  if(span.span_id = repeat('\0', 8), '', lower(hex(span.span_id))) AS SpanId,
  if(span.parent_span_id = repeat('\0', 8), '', lower(hex(span.parent_span_id))) AS ParentSpanId,
  span.trace_state AS TraceState,
  span.name AS SpanName,
  ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'][if(span.kind < 0, 99, span.kind) + 1] AS SpanKind,
  otel_attributes(span.attributes) AS SpanAttributes,
  span.attributes.value.1 AS SpanAttributeTypes,
  if(span.end_time_unix_nano > span.start_time_unix_nano, span.end_time_unix_nano - span.start_time_unix_nano, 0) AS Duration,
  ['Unset', 'Ok', 'Error'][if(span.status.code < 0, 99, span.status.code) + 1] AS StatusCode,
  span.status.message AS StatusMessage,
  arrayMap(t -> fromUnixTimestamp64Nano(toInt64(t)), span.events.time_unix_nano) AS `Events.Timestamp`,
  span.events.name AS `Events.Name`,
  arrayMap(a -> otel_attributes(a), span.events.attributes) AS `Events.Attributes`,
  span.events.dropped_attributes_count AS `Events.DroppedAttributesCount`,
  arrayMap(i -> if(i = repeat('\0', 16), '', lower(hex(i))), span.links.trace_id) AS `Links.TraceId`,
  arrayMap(i -> if(i = repeat('\0', 8), '', lower(hex(i))), span.links.span_id) AS `Links.SpanId`,
  span.links.trace_state AS `Links.TraceState`,
  arrayMap(a -> otel_attributes(a), span.links.attributes) AS `Links.Attributes`,
  span.links.dropped_attributes_count AS `Links.DroppedAttributesCount`,
  span.links.flags AS `Links.Flags`,
  span.flags AS Flags,
  span.dropped_attributes_count AS DroppedAttributesCount,
  span.dropped_events_count AS DroppedEventsCount,
  span.dropped_links_count AS DroppedLinksCount,
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
    spans,
    otel_repeat(of_request, arrayMap(q -> (q.tenant, q.received_unix_nano, q.peer), requests)) AS request,
    otel_repeat(of_resource, arrayMap(r -> (otel_attributes(r.resource.attributes), r.resource.attributes.value.1, r.resource.dropped_attributes_count, r.schema_url), resources)) AS resource,
    otel_repeat(of_scope, arrayMap(s -> (s.scope.name, s.scope.version, otel_attributes(s.scope.attributes), s.scope.attributes.value.1, s.scope.dropped_attributes_count, s.schema_url), scopes)) AS scope
  FROM
  (
    SELECT
      segment,
      requests,
      arrayFlatten(requests.traces.resource_spans) AS resources,
      arrayFlatten(requests.traces.resource_spans.scope_spans) AS scopes,
      arrayFlatten(requests.traces.resource_spans.scope_spans.spans) AS spans,
      arrayMap(q -> length(arrayFlatten(q)), requests.traces.resource_spans.scope_spans.spans.kind) AS of_request,
      arrayMap(r -> length(arrayFlatten(r)), arrayMap(r -> r.scope_spans.spans.kind, resources)) AS of_resource,
      arrayMap(s -> length(s.spans), scopes) AS of_scope
    FROM otel.otlp_traces
  )
)
ARRAY JOIN spans AS span, request, resource, scope
