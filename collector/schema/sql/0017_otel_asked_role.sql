-- Who a model call answers: the role of the last message of a user or a tool, and 'tool' also where the message of a user is but
-- the result of a tool. '' where that is not known. Messages of other dialects than the GenAI conventions are only looked
-- through for roles.
CREATE OR REPLACE FUNCTION otel_asked_role AS (attributes) ->
  if(position(otel_attribute(attributes, 'gen_ai.input.messages'), '"parts"') > 0,
    arrayMap(
      m -> if(notEmpty(m.2) AND arrayAll(p -> p.1 IN ('tool_call_response', 'tool_result'), m.2), 'tool', m.1),
      [arrayLast(m -> m.1 IN ('user', 'tool'), JSONExtract(otel_attribute(attributes, 'gen_ai.input.messages'), 'Array(Tuple(role String, parts Array(Tuple(type String))))'))])[1],
    arrayLast(role -> role IN ('user', 'tool'), arrayFlatten(arrayMap(
      (key, value) -> if(match(key, '^(llm\\.input_messages\\.\\d+\\.message|gen_ai\\.prompt\\.\\d+)\\.role$'), [value],
        if(key IN ('gen_ai.input.messages', 'langfuse.observation.input', 'ai.prompt.messages', 'request_data', 'input'), extractAll(value, '"role"\\s*:\\s*"(\\w+)"'), [])),
      mapKeys(attributes), mapValues(attributes)))))
