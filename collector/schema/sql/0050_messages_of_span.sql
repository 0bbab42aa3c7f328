-- What log records say of one span, as otel_traces.Messages in JSON, looked up by tenant and ids: only where a query wants texts
-- and the span has none of its own.
CREATE DICTIONARY IF NOT EXISTS otel.messages_of_span
(
  Tenant String,
  TraceId String,
  SpanId String,
  Messages String
)
PRIMARY KEY Tenant, TraceId, SpanId
SOURCE(CLICKHOUSE(QUERY '
  SELECT Tenant, TraceId, SpanId, toJSONString(CAST(otel_mentions(said, 0), \'Array(Tuple(role String, text String, call_id String, tool String, arguments String, result String, source UInt8, position UInt32, asked Bool, identity UInt64, opens Bool))\')) AS Messages
  FROM
  (
    SELECT CAST(Tenant, \'String\') AS Tenant, TraceId, SpanId,
      arrayMap(list -> otel_messages(concat(\'[\', trimRight(list, \',\'), \']\')), [arrayStringConcat(groupArray(Input)), arrayStringConcat(groupArray(Output)), max(Instructions)]) AS said
    FROM (SELECT * FROM otel.span_messages FINAL WHERE {condition} ORDER BY Tenant, TraceId, SpanId, Timestamp, Hash)
    GROUP BY Tenant, TraceId, SpanId
  )'))
LAYOUT(COMPLEX_KEY_DIRECT())
