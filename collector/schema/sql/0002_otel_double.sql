-- A double as text, as ECMAScript writes it (what the OpenTelemetry exporter does): 1, 0.1, 1e+21, 1e-7, NaN, Infinity.
CREATE OR REPLACE FUNCTION otel_double AS (x) ->
  multiIf(
    isNaN(x), 'NaN',
    isInfinite(x), if(x > 0, 'Infinity', '-Infinity'),
    replaceOne(replaceOne(toString(x), 'e', 'e+'), 'e+-', 'e-')
  )
