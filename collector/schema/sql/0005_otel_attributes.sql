-- OTLP attributes as a map of text, a key sent twice stays twice, in order.
CREATE OR REPLACE FUNCTION otel_attributes AS (kvs) ->
  mapFromArrays(tupleElement(kvs, 'key'), arrayMap(v -> otel_text(v.1, v.2, v.3, v.4, v.5, v.6, v.7, v.8), tupleElement(kvs, 'value')))
