-- Messages in the shape of the GenAI conventions, parsed once: [{role, content, parts: [{type, content, id, response}]}].
-- What is no such JSON gives no messages. A value that is no string (a tool's result, say) is kept as its JSON.
CREATE OR REPLACE FUNCTION otel_messages AS (json) ->
  JSONExtract(json, 'Array(Tuple(role String, content String, parts Array(Tuple(type String, content String, id String, response String, result String))))')
