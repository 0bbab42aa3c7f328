-- The messages of a span with what the span knows of each: (span, model, nanoseconds since 1970, role, text, call_id, tool,
-- arguments, result, source, position, identity). What was asked stands at the start of the span, an answer at its end.
CREATE OR REPLACE FUNCTION otel_mentions_told AS (messages, span, parent, model, tool, started, duration_ms) ->
  arrayMap(
    m -> (
      span,
      CAST(model, 'String'),
      toUnixTimestamp64Nano(if(tupleElement(m, 8) < 1000000, CAST(started, 'DateTime64(9, \'UTC\')'), otel_later(started, duration_ms))),
      tupleElement(m, 1),
      tupleElement(m, 2),
      tupleElement(m, 3),
      if(tupleElement(m, 1) = 'tool' AND tupleElement(m, 7) = 0, CAST(tool, 'String'), tupleElement(m, 4)),
      tupleElement(m, 5),
      tupleElement(m, 6),
      tupleElement(m, 7),
      tupleElement(m, 8),
      if(tupleElement(m, 10) = 0, cityHash64(started, span, tupleElement(m, 2)), cityHash64(tupleElement(m, 10), if(tupleElement(m, 11), parent, '')))),
    messages)
