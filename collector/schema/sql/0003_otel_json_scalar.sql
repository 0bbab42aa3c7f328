-- A scalar inside an attribute's array or map, as JSON. `value` is the tag of OTLP's oneof.
CREATE OR REPLACE FUNCTION otel_json_scalar AS (v) ->
  multiIf(
    tupleElement(v, 'value') = 1, toJSONString(tupleElement(v, 'string_value')),
    tupleElement(v, 'value') = 2, if(tupleElement(v, 'bool_value') = 0, 'false', 'true'),
    tupleElement(v, 'value') = 3, toString(tupleElement(v, 'int_value')),
    tupleElement(v, 'value') = 4, if(isFinite(tupleElement(v, 'double_value')), otel_double(tupleElement(v, 'double_value')), concat('"', otel_double(tupleElement(v, 'double_value')), '"')),
    tupleElement(v, 'value') = 5, '[]',
    tupleElement(v, 'value') = 6, '{}',
    tupleElement(v, 'value') = 7, concat('"', base64Encode(tupleElement(v, 'bytes_value')), '"'),
    'null'
  )
