-- A raw JSON value as text: strings unquoted, everything else as it is.
CREATE OR REPLACE FUNCTION otel_json_text AS (raw) -> if(startsWith(raw, '"'), JSONExtractString(raw), raw)
