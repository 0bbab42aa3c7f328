-- The answer among the messages a model gave: the first choice. The Google ADK records the pieces of a stream as messages.
CREATE OR REPLACE FUNCTION otel_answer AS (messages, in_pieces) ->
  if(in_pieces, ('assistant', arrayStringConcat(tupleElement(messages, 2)), arrayFlatten(tupleElement(messages, 3))), messages[1])
