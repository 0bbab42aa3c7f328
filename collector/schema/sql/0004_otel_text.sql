-- An OTLP AnyValue as text, as the OpenTelemetry exporter renders it: strings as they are, bytes as base64, arrays and
-- maps as JSON, an empty value as ''.
CREATE OR REPLACE FUNCTION otel_text AS (tag, str, bool, int, dbl, bytes, list, map) ->
  multiIf(
    tag = 1, str,
    tag = 2, if(bool = 0, 'false', 'true'),
    tag = 3, toString(int),
    tag = 4, multiIf(isNaN(dbl), 'NaN', isFinite(dbl), replaceOne(replaceOne(toString(dbl), 'e', 'e+'), 'e+-', 'e-'), dbl > 0, 'Infinity', '-Infinity'),
    tag IN (5, 6), otel_json_list(tag, list, map),
    tag = 7, base64Encode(bytes),
    '')
