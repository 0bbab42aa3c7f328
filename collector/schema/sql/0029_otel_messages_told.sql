-- The messages of a span, those of a model call without any as log records tell them. `told`: whether log records tell of any
-- call at all, else none is looked up, as where nobody records what is said, nor one of a dialect that has none. A dictionary
-- is asked for the elements of an array, as in an `if` it is asked also where it does not matter.
CREATE OR REPLACE FUNCTION otel_messages_told AS (told, type, dialect, messages, tenant, trace, span) ->
  arrayConcat(messages, arrayFlatten(arrayMap(
    key -> JSONExtract(dictGet('otel.messages_of_span', 'Messages', key), 'Array(Tuple(role String, text String, call_id String, tool String, arguments String, result String, source UInt8, position UInt32, asked Bool, identity UInt64, opens Bool))'),
    if(told AND type = 'generation' AND empty(messages) AND dialect IN ('otel_genai', 'otel_genai_legacy', 'openlit', 'logfire', 'pydantic_ai', 'google_adk'), [(CAST(tenant, 'String'), trace, span)], []))))
