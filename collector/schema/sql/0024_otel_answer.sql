-- The answer among the messages a model gave: the first text and every call, as of the items of one answer, of choices the first.
-- The Google ADK records the pieces of a stream as messages.
CREATE OR REPLACE FUNCTION otel_answer AS (messages, in_pieces) ->
  arrayMap(
    given -> ('assistant', if(in_pieces, arrayStringConcat(tupleElement(given, 2)), otel_first(tupleElement(given, 2))), arrayFlatten(tupleElement(given, 3))),
    [messages])[1]
