-- Messages whose fields are attributes of their own (`llm.input_messages.0.message.role`, `gen_ai.prompt.0.role`), as a list
-- in JSON, '' where there are none. A content that is a list of blocks in JSON is that list, any other is a text.
CREATE OR REPLACE FUNCTION otel_unflatten AS (attributes, prefix) ->
  arrayMap(
    f -> if(empty(f), '', concat('[', arrayStringConcat(arrayMap(
      i -> concat(
        '{"role":', toJSONString(f[concat(i, '.role')]),
        ',"name":', toJSONString(f[concat(i, '.name')]),
        ',"tool_call_id":', toJSONString(f[concat(i, '.tool_call_id')]),
        ',"content":', multiIf(
          JSONHas(f[concat(i, '.content')], 1, 'type'), f[concat(i, '.content')],
          f[concat(i, '.content')] != '', toJSONString(f[concat(i, '.content')]),
          concat('[', arrayStringConcat(arrayMap(
            c -> concat('{"type":', toJSONString(f[concat(c, '.type')]), ',"text":', toJSONString(f[concat(c, '.text')]), '}'),
            arrayDistinct(arrayMap(k -> extract(k, '^\\d+\\.contents\\.\\d+'), mapKeys(mapFilter((k, v) -> startsWith(k, concat(i, '.contents.')), f))))), ','), ']')),
        ',"tool_calls":[', arrayStringConcat(arrayMap(
          c -> concat('{"type":"function","id":', toJSONString(f[concat(c, '.id')]), ',"name":', toJSONString(f[concat(c, '.name')]), ',"arguments":', toJSONString(f[concat(c, '.arguments')]), '}'),
          arrayDistinct(arrayMap(k -> extract(k, '^\\d+\\.tool_calls\\.\\d+'), mapKeys(mapFilter((k, v) -> startsWith(k, concat(i, '.tool_calls.')), f))))), ','), ']}'),
      arraySort(i -> toUInt32OrZero(i), arrayDistinct(arrayMap(k -> extract(k, '^\\d+'), mapKeys(f))))), ','), ']')),
    [mapFilter((k, v) -> match(k, '^\\d'), mapFromArrays(
      arrayMap(k -> if(startsWith(k, prefix), replaceRegexpAll(substring(k, length(prefix) + 1), '\\.(message|message_content|tool_call|function)\\b', ''), ''), mapKeys(attributes)),
      mapValues(attributes)))])[1]
