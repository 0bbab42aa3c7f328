-- What log records say of one span, looked up by its ids: only where a query wants texts and the span has none of its own.
CREATE DICTIONARY IF NOT EXISTS otel.messages_of_span
(
  TraceId String,
  SpanId String,
  System String,
  Input String,
  Output String
)
PRIMARY KEY TraceId, SpanId
SOURCE(CLICKHOUSE(QUERY '
  SELECT TraceId, SpanId, max(System) AS System,
    if(max(Input) = \'\', \'\', concat(\'[\', trimRight(arrayStringConcat(groupArray(Input)), \',\'), \']\')) AS Input,
    if(max(Output) = \'\', \'\', concat(\'[\', trimRight(arrayStringConcat(groupArray(Output)), \',\'), \']\')) AS Output
  FROM (SELECT * FROM otel.span_messages FINAL WHERE {condition} ORDER BY TraceId, SpanId, Timestamp, Hash)
  GROUP BY TraceId, SpanId'))
LAYOUT(COMPLEX_KEY_DIRECT())
