-- What one span says of a conversation, as otel_traces.Messages keeps it (see otel_mentions). What a type does not need is computed
-- for an empty array, that is not at all: the branches of an `if` would be. The application's own messages are one each, in the
-- shape of the GenAI conventions already: they are read where they stand (otel_messages_told), not stored twice.
CREATE OR REPLACE FUNCTION otel_messages_of AS (type, scope, known, attributes, events) ->
  arrayConcat(
    arrayMap(
      k -> (
        'tool', '', k['call_id'], '',
        otel_arguments(if(k['arguments'] = '' AND k['type'] = '', k['input'], k['arguments'])),
        if(k['type'] != '', k['result'], otel_result(if(k['result'] = '', k['output'], k['result']))),
        0, 2, 0, 0, 0),
      if(type IN ('tool_call', 'tool_response'), [known], [])),
    arrayFlatten(arrayMap(
      said -> otel_mentions(said, scope = 'gcp.vertex.agent'),
      arrayMap(k -> arrayMap(json -> otel_messages(json), otel_said(k, attributes, events)), if(type IN ('generation', 'agent_run', 'retrieval'), [known], [])))))
