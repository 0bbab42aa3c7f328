-- The first of these texts that is not empty.
CREATE OR REPLACE FUNCTION otel_first AS (texts) ->
  arrayFirst(text -> text != '', texts)
