-- The time so many milliseconds after another, not past the last a DateTime64(9) holds (the year 2262).
CREATE OR REPLACE FUNCTION otel_later AS (ts, milliseconds) ->
  fromUnixTimestamp64Nano(toInt64(least(toInt128(toUnixTimestamp64Nano(ts)) + toInt128(milliseconds * 1000000), toInt128(9223372036854775807))), 'UTC')
