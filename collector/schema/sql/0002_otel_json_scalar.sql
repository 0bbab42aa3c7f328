-- A scalar inside an attribute's array or map, as JSON. `tag` is which of OTLP's oneof is set: 1 string, 2 bool, 3 int,
-- 4 double, 5 array, 6 map, 7 bytes, 0 none. Doubles as ECMAScript writes them: 1, 0.1, 1e+21, 1e-7.
CREATE OR REPLACE FUNCTION otel_json_scalar AS (tag, str, bool, int, dbl, bytes) ->
  multiIf(
    tag = 1, toJSONString(str),
    tag = 2, if(bool = 0, 'false', 'true'),
    tag = 3, toString(int),
    tag = 4, if(isFinite(dbl), replaceOne(replaceOne(toString(dbl), 'e', 'e+'), 'e+-', 'e-'), concat('"', if(isNaN(dbl), 'NaN', if(dbl > 0, 'Infinity', '-Infinity')), '"')),
    tag = 5, '[]',
    tag = 6, '{}',
    tag = 7, concat('"', base64Encode(bytes), '"'),
    'null')
