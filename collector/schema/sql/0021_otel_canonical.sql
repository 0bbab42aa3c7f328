-- Messages in JSON, whatever dialect wrote them, in the shape of the GenAI conventions. `otherwise` is the role of a message
-- that names none. '' for none.
CREATE OR REPLACE FUNCTION otel_canonical AS (messages, otherwise) ->
  arrayMap(json -> toJSONString(CAST(arrayMap(
    m -> (
      multiIf(m.2 = '' AND has(tupleElement(m.1, 1), 2), 'tool', m.3 = '', otherwise, m.3),
      arrayConcat(
        if(m.2 = '' OR m.3 = 'tool', [], [('text', m.2, '', '', '', '')]),
        arrayMap(
          i -> (if(i.1 = 1, 'tool_call', 'tool_call_response'), '', i.3, i.4, i.5, i.6),
          arrayFilter(i -> i.1 = 1 OR (i.1 = 2 AND (i.3 != '' OR i.4 != '' OR length(m.1) = 1)), m.1)))),
    arrayMap(
      items -> (items, arrayStringConcat(arrayFilter(t -> t NOT IN ('', '[]'), arrayPushFront(arrayMap(i -> i.2, arrayPopFront(items)), if(length(items) > 1 AND match(items[1].2, '^[\\[{][{"]'), '', items[1].2))), '\n'), items[1].7),
      otel_items(otel_message_list(json, otherwise)))), 'Array(Tuple(role String, parts Array(Tuple(type String, content String, id String, name String, arguments String, response String))))')),
    arrayFilter(json -> json NOT IN ('', 'null'), [messages]))[1]
