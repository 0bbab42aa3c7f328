-- What a tool answered: a text that came as JSON, as a text, and without the object that Gemini's libraries put around it.
CREATE OR REPLACE FUNCTION otel_result AS (result) ->
  multiIf(
    startsWith(result, '"') AND endsWith(result, '"'), JSONExtractString(result),
    startsWith(result, '{') AND JSONLength(result) = 1 AND JSONHas(result, 'result'), JSONExtract(result, 'result', 'String'),
    result)
