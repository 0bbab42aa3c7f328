-- OTLP attributes as a map of text, a key sent twice stays twice, in order.
CREATE OR REPLACE FUNCTION otel_attributes AS (kvs) ->
  mapFromArrays(arrayMap(a -> a.key, kvs), arrayMap(a -> otel_text(a.value), kvs))
