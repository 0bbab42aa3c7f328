-- An array or a map as JSON, as the OpenTelemetry exporter renders them: compact, keys sorted. Both go through one lambda,
-- with the key '' for an array's elements: ClickHouse analyses a view at every insert, and lambdas are what it spends on.
CREATE OR REPLACE FUNCTION otel_json_list AS (tag, list, map) ->
  concat(
    if(tag = 5, '[', '{'),
    arrayStringConcat(arrayMap(
      e -> concat(if(tag = 6, concat(toJSONString(e.1), ':'), ''), otel_json_scalar(e.2.1, e.2.2, e.2.3, e.2.4, e.2.5, e.2.6)),
      arrayConcat(arrayMap(e -> ('', e), tupleElement(list, 1)), arraySort(e -> e.1, tupleElement(map, 1)))), ','),
    if(tag = 5, ']', '}'))
