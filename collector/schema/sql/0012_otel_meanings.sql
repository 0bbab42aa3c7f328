-- Attributes by what they mean, {'model': 'gpt-5', 'input_tokens': '57'}, as `aliases` says, of several keys for one meaning the
-- first that has a value. One pass over the keys: looking 190 of them up one by one would cost four times as much, and an
-- analysis of each at every insert.
CREATE OR REPLACE FUNCTION otel_meanings AS (attributes, aliases) ->
  CAST(arrayMap(
    found -> (extractAll(aliases, '(\\S+) \\S+')[found.1], found.2),
    arraySort(found -> found.1, arrayFilter(
      found -> found.1 > 0 AND found.2 != '',
      arrayMap(
        (key, value) -> (transform(key, extractAll(aliases, ' (\\S+)'), range(1, length(extractAll(aliases, ' (\\S+)')) + 1), 0), value),
        mapKeys(attributes), mapValues(attributes))))), 'Map(String, String)')
