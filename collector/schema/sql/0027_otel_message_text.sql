-- The text of one of otel_messages, and what tools answered in it, a line each.
CREATE OR REPLACE FUNCTION otel_message_text AS (message) ->
  arrayStringConcat(arrayFilter(t -> t != '', arrayPushFront(arrayMap(t -> t.5, message.3), message.2)), '\n')
