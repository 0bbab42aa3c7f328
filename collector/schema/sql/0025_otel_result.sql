-- What a tool answered: a text that came as JSON, as a text, without the object that Gemini's libraries (`result`) or Vercel's
-- (`type` and `value`) put around it, and of a list of blocks their texts.
CREATE OR REPLACE FUNCTION otel_result AS (result) ->
  arrayMap(
    r -> if(JSONExtractString(r, 1, 'type') IN ('text', 'input_text'), arrayStringConcat(tupleElement(JSONExtract(r, 'Array(Tuple(text Nullable(String)))'), 1), '\n'), r),
    arrayMap(
      r -> multiIf(
        JSONType(r) = 'String', JSONExtractString(r),
        JSONExtractKeys(r) IN (['result'], ['type', 'value']), JSONExtract(r, -1, 'String'),
        r),
      [result]))[1]
