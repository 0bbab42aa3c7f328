-- The text of one message in the shape of the GenAI conventions: text parts and tool results, a line each. A plain
-- string in `content` (older instrumentations) is taken as it is. Tool calls, reasoning and media have no text here.
CREATE OR REPLACE FUNCTION otel_message_text AS (message) ->
  if(JSONType(message, 'content') = 'String', JSONExtractString(message, 'content'),
    arrayStringConcat(arrayFilter(t -> t != '', arrayMap(
      part -> multiIf(
        JSONExtractString(part, 'type') = 'text', JSONExtractString(part, 'content'),
        JSONExtractString(part, 'type') != 'tool_call_response', '',
        JSONHas(part, 'response'), otel_json_text(JSONExtractRaw(part, 'response')),
        otel_json_text(JSONExtractRaw(part, 'result'))),
      JSONExtractArrayRaw(message, 'parts'))), '\n'))
