-- What a model call answers: the last message of a user or a tool among otel_messages.
CREATE OR REPLACE FUNCTION otel_last_asked AS (messages) ->
  arrayLast(m -> tupleElement(m, 'role') IN ('user', 'tool'), messages)
