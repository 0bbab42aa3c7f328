-- Messages as a list of JSON texts: of a list, of an object around one, of one message, or of plain text. A message inside
-- another object (a choice) is taken out of it. What is no JSON after all gives none, the attributes keep it as it came.
CREATE OR REPLACE FUNCTION otel_message_list AS (messages) ->
  arrayMap(
    e -> if(JSONHas(e, 'message'), JSONExtractRaw(e, 'message'), e),
    JSONExtractArrayRaw(multiIf(
      startsWith(messages, '['), messages,
      messages = '', '[]',
      startsWith(messages, '{'), if(
        JSONHas(messages, 'messages') OR JSONHas(messages, 'contents'), concat(JSONExtractRaw(messages, 'messages'), JSONExtractRaw(messages, 'contents')),
        concat('[', messages, ']')),
      concat('[{"content":', toJSONString(messages), '}]'))))
