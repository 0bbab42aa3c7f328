-- Messages as a list of JSON texts: of a list, of an object around one, of one message, or of plain text, `[laughs] like this`,
-- too. A message inside another object (a choice) is taken out of it. An answer that is an object but no message is a text. What
-- was JSON before it was cut gives none, the attributes keep it as it came.
CREATE OR REPLACE FUNCTION otel_message_list AS (messages, otherwise) ->
  arrayMap(
    e -> if(JSONHas(e, 'message'), JSONExtractRaw(e, 'message'), e),
    JSONExtractArrayRaw(otel_first([
      tupleElement(arrayFirst(field -> field.1 IN ('messages', 'contents', 'choices', 'candidates'), JSONExtractKeysAndValuesRaw(messages)), 2),
      multiIf(
        match(messages, '^\\s*([^\\s\\[{]|[\\[{]\\s*[^\\s"\\[{\\]}])')
          OR (otherwise = 'assistant' AND startsWith(messages, '{"') AND isValidJSON(messages) AND NOT hasAny(JSONExtractKeys(messages), ['role', 'content', 'parts', 'message', 'type', 'text', 'tool_calls', 'functionCall', 'usage', 'usage_metadata', 'finish_reason', 'object', 'combined_chunk_content', 'dimensions'])),
        concat('[{"content":', toJSONString(messages), '}]'),
        startsWith(messages, '['), messages,
        concat('[', messages, ']'))])))
