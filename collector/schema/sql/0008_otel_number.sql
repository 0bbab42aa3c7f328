-- A number out of an attribute's text: 0 for what is none, for NaN and infinities, for less than 0 and for more than 1e15.
CREATE OR REPLACE FUNCTION otel_number AS (text) ->
  if(toFloat64OrZero(text) BETWEEN 0 AND 1e15, toFloat64OrZero(text), 0)
