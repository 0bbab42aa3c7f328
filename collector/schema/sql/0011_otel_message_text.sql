-- The text of one of otel_messages: its text parts and tool results, a line each. A plain string in `content` (older
-- instrumentations) is taken as it is. Tool calls, reasoning and media have no text here.
CREATE OR REPLACE FUNCTION otel_message_text AS (message) ->
  if(tupleElement(message, 'content') != '', tupleElement(message, 'content'),
    arrayStringConcat(arrayFilter(t -> t != '', arrayMap(
      part -> multiIf(
        tupleElement(part, 'type') = 'text', tupleElement(part, 'content'),
        tupleElement(part, 'type') != 'tool_call_response', '',
        tupleElement(part, 'response') != '', tupleElement(part, 'response'),
        tupleElement(part, 'result')),
      tupleElement(message, 'parts'))), '\n'))
