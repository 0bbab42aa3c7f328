-- What a model call says of a conversation, out of what otel_said read: the instructions, what is new among the messages it was
-- asked, and the answer. Every call repeats the history: new is what stands behind the last message of the assistant, of which the
-- calls of tools are kept, too. What stands behind the last question is the beginning of the answer, or all of it where there is
-- no other. As otel_traces.Messages keeps them:
-- (role, text, call_id, tool, arguments, result, source, position, asked, identity, opens).
CREATE OR REPLACE FUNCTION otel_mentions AS (said, in_pieces) ->
  arrayFlatten(arrayMap(
    asked -> arrayMap(
      news -> arrayMap(
        (m, place) -> arrayConcat(
          if((m.2 = '' AND place != least(length(news), 999) * 1000) OR m.1 = 'tool' OR (m.1 = 'assistant' AND place < 1000000), [], [(
            m.1, m.2, '', '', '', '', 4, place, place = least(length(news), 999) * 1000 AND place > 0,
            if(place < 1000000, cityHash64(m.1, m.2, if(place = 0, 0, arrayCount(o -> o.1 = m.1 AND o.2 = m.2, asked))), 0),
            place BETWEEN 1 AND 999999 AND news[1].1 != 'assistant')]),
          arrayMap(
            (t, i) -> ('tool', '', t.2, t.3, t.4, otel_result(t.5), multiIf(t.1, 2, place < 1000000, 3, 1), place + i, place = least(length(news), 999) * 1000 AND place > 0, 0, 0),
            m.3, arrayEnumerate(m.3))),
        arrayConcat(said[3], arrayFilter(m -> m.1 = 'system', said[1]), news, [otel_answer(arrayConcat(said[2], arraySlice(said[1], arrayLastIndex(m -> m.1 != 'assistant', said[1]) + 1)), in_pieces)]),
        arrayConcat(
          arrayResize([0], length(said[3]) + arrayCount(m -> m.1 = 'system', said[1]), 0),
          arrayMap(i -> least(i, 999) * 1000, arrayEnumerate(news)),
          [1000000])),
      [arrayFilter(m -> m.1 != 'system', arraySlice(asked, greatest(1, arrayLastIndex(m -> m.1 = 'assistant', asked))))])[1],
    [arraySlice(said[1], 1, arrayLastIndex(m -> m.1 IN ('user', 'tool'), said[1]))])[1])
