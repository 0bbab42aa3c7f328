-- Give each of the `counts[i]` children of parent i the parent's value: [2, 1], ['a', 'b'] -> ['a', 'a', 'b'].
CREATE OR REPLACE FUNCTION otel_repeat AS (counts, parents) ->
  arrayFlatten(arrayMap((n, v) -> arrayWithConstant(n, v), counts, parents))
