-- Messages whose fields are attributes of their own (`llm.input_messages.0.message.role`, `gen_ai.prompt.0.role`), as a list
-- in JSON, '' where there are none.
CREATE OR REPLACE FUNCTION otel_unflatten AS (attributes, prefix) ->
  arrayMap(
    f -> if(empty(f), '', concat('[', arrayStringConcat(arrayMap(
      i -> concat(
        '{"role":', toJSONString(f[concat(i, '.role')]),
        ',"name":', toJSONString(f[concat(i, '.name')]),
        ',"tool_call_id":', toJSONString(f[concat(i, '.tool_call_id')]),
        ',"content":', if(startsWith(f[concat(i, '.content')], '[') AND isValidJSON(f[concat(i, '.content')]), f[concat(i, '.content')],
          if(f[concat(i, '.content')] = '' AND f[concat(i, '.contents.0.text')] != '',
            concat('[', arrayStringConcat(arrayMap((k, v) -> concat('{"type":"text","text":', toJSONString(v), '}'),
              mapKeys(mapFilter((k, v) -> startsWith(k, concat(i, '.contents.')) AND endsWith(k, '.text'), f)),
              mapValues(mapFilter((k, v) -> startsWith(k, concat(i, '.contents.')) AND endsWith(k, '.text'), f))), ','), ']'),
            toJSONString(f[concat(i, '.content')]))),
        ',"tool_calls":[', arrayStringConcat(arrayMap(
          c -> concat('{"type":"function","id":', toJSONString(f[concat(c, '.id')]), ',"name":', toJSONString(f[concat(c, '.name')]), ',"arguments":', toJSONString(f[concat(c, '.arguments')]), '}'),
          arrayDistinct(arrayMap(k -> extract(k, '^\\d+\\.tool_calls\\.\\d+'), mapKeys(mapFilter((k, v) -> startsWith(k, concat(i, '.tool_calls.')), f))))), ','), ']}'),
      arraySort(i -> toUInt32OrZero(i), arrayDistinct(arrayMap(k -> extract(k, '^\\d+'), mapKeys(f))))), ','), ']')),
    [mapFilter((k, v) -> match(k, '^\\d'), mapFromArrays(
      arrayMap(k -> if(startsWith(k, prefix), replaceRegexpAll(substring(k, length(prefix) + 1), '\\.(message|message_content|tool_call|function)\\b', ''), ''), mapKeys(attributes)),
      mapValues(attributes)))])[1]
