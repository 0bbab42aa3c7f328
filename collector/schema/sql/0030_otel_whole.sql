-- JSON that has the first half of a surrogate pair only, as of an emoji that was cut, with U+FFFD for it: nothing could be read
-- of it otherwise. Other JSON as it came, at the cost of a search for such.
CREATE OR REPLACE FUNCTION otel_whole AS (json) ->
  arrayPushBack(
    arrayMap(
      j -> replaceRegexpAll(j, '([^\\\\](?:\\\\\\\\)*)\\\\u[dD][89abAB][0-9a-fA-F]{2}([^\\\\]|\\\\[^u]|\\\\u[^dD])', '\\1\\\\uFFFD\\2'),
      arrayFilter(j -> NOT isValidJSON(j), arrayFilter(j -> position(j, '\\ud') > 0, [json]))),
    json)[1]
