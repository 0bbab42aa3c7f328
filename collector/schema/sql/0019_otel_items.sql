-- Of each message, given as JSON, the message itself and all that is in it, by otel_item.
CREATE OR REPLACE FUNCTION otel_items AS (messages) ->
  arrayMap(
    m -> arrayMap(
      i -> otel_item(i),
      arrayMap(
        json -> JSONExtract(json, 'Tuple(role String, type String, text String, content String, transcript String, id String, call_id String, tool_call_id String, tool_use_id String, toolCallId String, name String, toolName String, arguments String, input String, args String, response String, result String, output String, function Tuple(name String, arguments String), functionCall Tuple(id String, name String, args String), functionResponse Tuple(id String, name String, response String), combined_chunk_content String)'),
        arrayConcat([m], JSONExtractArrayRaw(m, 'parts'), JSONExtractArrayRaw(m, 'content'), JSONExtractArrayRaw(m, 'content', 'parts'), JSONExtractArrayRaw(m, 'tool_calls')))),
    messages)
