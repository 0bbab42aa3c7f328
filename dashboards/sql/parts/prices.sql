-- What the part `priced` needs before it.
(
    SELECT groupArray((tenant, provider, model, valid_from, input_usd, cached_input_usd, output_usd))
    FROM otel.model_prices FINAL
  ) AS prices,
  (pattern, name) -> name != '' AND if(endsWith(pattern, '*'), startsWith(name, substring(pattern, 1, length(pattern) - 1)), pattern = name) AS fits
