-- What one span says of a conversation, as otel_traces.Messages keeps it (see otel_mentions). What a type does not need is computed
-- for an empty array, that is not at all: the branches of an `if` would be. The application's own messages are one each, in the
-- shape of the GenAI conventions, and by far the most: they take the short way.
CREATE OR REPLACE FUNCTION otel_messages_of AS (type, scope, known, attributes, events) ->
  arrayConcat(
    arrayMap(
      k -> (
        'tool', '', k['call_id'], '',
        otel_arguments(if(k['arguments'] = '' AND k['type'] = '', k['input'], k['arguments'])),
        if(k['type'] != '', k['result'], otel_result(if(k['result'] = '', k['output'], k['result']))),
        0, 2, 0, 0, 0),
      if(type IN ('tool_call', 'tool_response'), [known], [])),
    arrayMap(
      own -> (
        own.1,
        if(own.2 = '', own.3, arrayStringConcat(arrayFilter(text -> text != '', arrayMap(
          part -> if(part.1 = 'text', part.2, part.3),
          JSONExtract(own.2, 1, 'parts', 'Array(Tuple(type String, content String, transcript String))'))), '\n')),
        '', '', '', '', 0, if(own.1 = 'user', 1000, 1000000), own.1 = 'user', 0, 0),
      if(type IN ('user_message', 'audio_input', 'assistant_response', 'audio_output'), [if(type IN ('user_message', 'audio_input'), ('user', known['asked'], known['message']), ('assistant', known['answered'], ''))], [])),
    arrayFlatten(arrayMap(
      said -> otel_mentions(said, scope = 'gcp.vertex.agent'),
      arrayMap(k -> arrayMap(json -> otel_messages(json), otel_said(k, attributes, events)), if(type IN ('generation', 'agent_run', 'retrieval'), [known], [])))))
