-- What one span says of a conversation, as otel_traces.Messages keeps it (see otel_mentions).
CREATE OR REPLACE FUNCTION otel_messages_of AS (type, dialect, tool, known, attributes, events) ->
  arrayConcat(
    if(type IN ('tool_call', 'tool_response'), [(
      'tool', '', known['call_id'], tool,
      otel_arguments(if(known['arguments'] = '' AND dialect != 'otel_interactions', known['input'], known['arguments'])),
      if(dialect = 'otel_interactions', known['result'], otel_result(if(known['result'] = '', known['output'], known['result']))),
      0, 2, 0, 0, 0)], []),
    arrayFlatten(arrayMap(
      said -> multiIf(
        type IN ('user_message', 'audio_input'), [(
          'user', if(empty(said[1]), known['message'], tupleElement(arrayLast(m -> m.1 IN ('user', 'tool'), said[1]), 2)), '', '', '', '', 0, 1000, 1, 0, 0)],
        type IN ('assistant_response', 'audio_output'), [('assistant', tupleElement(otel_answer(said[2], dialect), 2), '', '', '', '', 0, 1000000, 0, 0, 0)],
        otel_mentions(said, dialect)),
      if(type IN ('user_message', 'audio_input', 'assistant_response', 'audio_output', 'generation'), [otel_said(known, attributes, events)], []))))
