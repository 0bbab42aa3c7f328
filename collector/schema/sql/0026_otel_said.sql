-- What a model was asked and what it answered, [asked, answered], as otel_messages: of whatever dialect. `said` are the attributes
-- by otel_content_aliases, `events` the span's, as (name, attributes), `logged` what came as log records instead.
CREATE OR REPLACE FUNCTION otel_said AS (said, attributes, events, logged) ->
  arrayMap(
    (given, canonical) -> otel_messages(if(position(given, '"parts"') > 0, given, canonical)),
    [said['asked'], said['answered']] AS standard,
    arrayMap(
      (own, prefix, event, other, log, otherwise) -> if(position(own, '"parts"') > 0, '', otel_canonical(multiIf(
        own != '', own,
        prefix != '', otel_unflatten(attributes, prefix),
        event != '', arrayFirst(e -> e.1 = concat('gen_ai.content.', event), events).2[concat('gen_ai.', event)],
        other != '', other,
        log), otherwise)),
      standard,
      multiIf(said['openinference'] != '', ['llm.input_messages.', 'llm.output_messages.'], said['openllmetry'] != '', ['gen_ai.prompt.', 'gen_ai.completion.'], ['', '']),
      if(hasAny(events.1, ['gen_ai.content.prompt', 'gen_ai.content.completion']), ['prompt', 'completion'], ['', '']),
      [said['input'], if(said['vercel_text'] != '' OR said['vercel_calls'] != '', concat('[{"content":', toJSONString(said['vercel_text']), ',"tool_calls":', if(said['vercel_calls'] = '', '[]', said['vercel_calls']), '}]'), said['output'])],
      logged,
      ['user', 'assistant']))
