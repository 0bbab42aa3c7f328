-- An OTLP AnyValue as text, as the OpenTelemetry exporter renders it: strings as they are, bytes as base64, arrays and
-- maps as JSON (keys sorted), an empty value as ''.
CREATE OR REPLACE FUNCTION otel_text AS (v) ->
  multiIf(
    tupleElement(v, 'value') = 1, tupleElement(v, 'string_value'),
    tupleElement(v, 'value') = 2, if(tupleElement(v, 'bool_value') = 0, 'false', 'true'),
    tupleElement(v, 'value') = 3, toString(tupleElement(v, 'int_value')),
    tupleElement(v, 'value') = 4, otel_double(tupleElement(v, 'double_value')),
    tupleElement(v, 'value') = 5, concat('[', arrayStringConcat(arrayMap(e -> otel_json_scalar(e), tupleElement(tupleElement(v, 'array_value'), 'values')), ','), ']'),
    tupleElement(v, 'value') = 6, concat('{', arrayStringConcat(
      arrayMap(e -> concat(toJSONString(e.key), ':', otel_json_scalar(e.value)), arraySort(e -> e.key, tupleElement(tupleElement(v, 'kvlist_value'), 'values'))),
      ','), '}'),
    tupleElement(v, 'value') = 7, base64Encode(tupleElement(v, 'bytes_value')),
    ''
  )
