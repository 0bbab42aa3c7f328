-- The messages of a span, those of a model call without any as log records tell them.
CREATE OR REPLACE FUNCTION otel_messages_told AS (type, messages, tenant, trace, span) ->
  if(type = 'generation' AND empty(messages),
    JSONExtract(dictGet('otel.messages_of_span', 'Messages', (CAST(tenant, 'String'), trace, span)), 'Array(Tuple(role String, text String, call_id String, tool String, arguments String, result String, source UInt8, position UInt32, asked Bool, identity UInt64, opens Bool))'),
    messages)
