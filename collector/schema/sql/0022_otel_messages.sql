-- Messages in the shape of the GenAI conventions as [(role, text, tools [(is_result, id, name, arguments, result)])].
CREATE OR REPLACE FUNCTION otel_messages AS (messages) ->
  arrayMap(
    m -> (
      if(m.2 != [] AND arrayAll(p -> startsWith(p.1, 'tool_call_r'), m.2), 'tool', m.1),
      arrayStringConcat(arrayFilter(t -> t != '', arrayMap(p -> multiIf(p.1 = 'text', p.2, p.3), m.2)), '\n'),
      arrayMap(p -> (p.1 != 'tool_call', p.4, p.5, p.6, concat(p.7, p.8)), arrayFilter(p -> startsWith(p.1, 'tool_call'), m.2))),
    JSONExtract(messages, 'Array(Tuple(role String, parts Array(Tuple(type String, content String, transcript String, id String, name String, arguments String, response String, result String))))'))
