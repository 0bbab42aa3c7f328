-- The messages of a span: those it keeps, the application's own out of its attributes, and those of a model call without any as
-- log records tell them. `told`: whether log records tell of any call at all, else none is looked up, as where nobody records what
-- is said, nor one of a dialect that has none. A dictionary is asked for the elements of an array, as in an `if` it is asked also
-- where it does not matter.
CREATE OR REPLACE FUNCTION otel_messages_told AS (told, type, dialect, messages, attributes, tenant, trace, span) ->
  arrayConcat(
    messages,
    arrayMap(
      own -> (
        tupleElement(own, 1),
        if(tupleElement(own, 2) = '', tupleElement(own, 3), arrayStringConcat(arrayFilter(text -> text != '', arrayMap(
          part -> if(tupleElement(part, 1) = 'text', tupleElement(part, 2), tupleElement(part, 3)),
          JSONExtract(tupleElement(own, 2), 1, 'parts', 'Array(Tuple(type String, content String, transcript String))'))), '\n')),
        '', '', '', '', 0, if(tupleElement(own, 1) = 'user', 1000, 1000000), tupleElement(own, 1) = 'user', 0, 0),
      multiIf(
        type IN ('user_message', 'audio_input'), [('user', attributes['gen_ai.input.messages'], attributes['interaction.message'])],
        type IN ('assistant_response', 'audio_output'), [('assistant', attributes['gen_ai.output.messages'], '')],
        [])),
    arrayFlatten(arrayMap(
      key -> JSONExtract(dictGet('otel.messages_of_span', 'Messages', key), 'Array(Tuple(role String, text String, call_id String, tool String, arguments String, result String, source UInt8, position UInt32, asked Bool, identity UInt64, opens Bool))'),
      if(told AND type = 'generation' AND empty(messages) AND dialect IN ('otel_genai', 'otel_genai_legacy', 'openlit', 'logfire', 'pydantic_ai', 'google_adk'), [(CAST(tenant, 'String'), trace, span)], []))))
