-- What a model was asked, what it answered, and its instructions, [asked, answered, instructions], as messages of the GenAI
-- conventions in JSON, whatever dialect wrote them. `known` are the attributes by otel_aliases, `events` the texts of the span
-- events of a prompt and its completion.
CREATE OR REPLACE FUNCTION otel_said AS (known, attributes, events) ->
  arrayMap(
    (standard, prefix, other, role) -> concat(
      if(position(standard, '"parts"') > 0, standard, ''),
      otel_canonical(multiIf(position(standard, '"parts"') > 0, '', standard != '', standard, prefix != '', otel_unflatten(attributes, prefix), other), role)),
    arrayMap(json -> otel_whole(json), [
      known['asked'],
      known['answered'],
      multiIf(
        known['instructions'] = '', '',
        startsWith(known['instructions'], '['), concat('[{"role":"system","parts":', known['instructions'], '}]'),
        concat('[{"role":"system","parts":[{"type":"text","content":', toJSONString(known['instructions']), '}]}]'))]),
    multiIf(known['flat_openinference'] != '', ['llm.input_messages.', 'llm.output_messages.', ''], known['flat_openllmetry'] != '', ['gen_ai.prompt.', 'gen_ai.completion.', ''], ['', '', '']),
    arrayMap((event, otherwise) -> otel_whole(if(event != '', event, otherwise)), events, [
      known['input'],
      if(known['vercel_text'] = '' AND known['vercel_calls'] = '', known['output'],
        concat('[{"content":', toJSONString(known['vercel_text']), ',"tool_calls":', if(known['vercel_calls'] = '', '[]', known['vercel_calls']), '}]')),
      JSONExtractString(known['input'], 'config', 'system_instruction')]),
    ['user', 'assistant', 'system'])
