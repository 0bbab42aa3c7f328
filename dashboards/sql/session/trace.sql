-- One trace of the session as its spans called each other, the box "Trace" has the others. Attributes are cut at 4,000 characters.
SELECT
  TraceId AS traceID,
  SpanId AS spanID,
  ParentSpanId AS parentSpanID,
  SpanName AS operationName,
  ServiceName AS serviceName,
  toUnixTimestamp64Nano(Timestamp) * 0.000001 AS startTime,
  Duration * 0.000001 AS duration,
  arrayMap(key -> map('key', key, 'value', substringUTF8(SpanAttributes[key], 1, 4000)), mapKeys(SpanAttributes)) AS tags,
  arrayMap(key -> map('key', key, 'value', substringUTF8(ResourceAttributes[key], 1, 4000)), mapKeys(ResourceAttributes)) AS serviceTags,
  if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode,
  StatusMessage AS statusMessage,
  SpanKind AS kind,
  arrayMap(
    (name, moment, attributes) -> tuple(name, toString(toUnixTimestamp64Milli(moment)),
      arrayMap(key -> map('key', key, 'value', substringUTF8(attributes[key], 1, 4000)), mapKeys(attributes)))::Tuple(name String, timestamp String, fields Array(Map(String, String))),
    `Events.Name`, `Events.Timestamp`, `Events.Attributes`) AS logs,
  arrayMap(
    (trace, span, attributes) -> tuple(trace, span,
      arrayMap(key -> map('key', key, 'value', attributes[key]), mapKeys(attributes)))::Tuple(traceID String, spanID String, tags Array(Map(String, String))),
    `Links.TraceId`, `Links.SpanId`, `Links.Attributes`) AS references
FROM otel.otel_traces
WHERE TraceId = decodeURLComponent('${trace:percentencode}') AND TraceId != '' AND SpanId != ''
  AND $__conditionalAll(Tenant IN (${tenant:singlequote}), $tenant)
  AND $__timeFilter(Timestamp)
ORDER BY startTime
