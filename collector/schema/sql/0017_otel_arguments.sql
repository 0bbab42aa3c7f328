-- What a tool was called with: of the positional and named arguments of a Python function (Langfuse, OpenLLMetry) the named,
-- where there are no others.
CREATE OR REPLACE FUNCTION otel_arguments AS (arguments) ->
  if(startsWith(arguments, '{"args"') AND JSONLength(arguments, 'args') = 0 AND JSONHas(arguments, 'kwargs'), JSONExtractRaw(arguments, 'kwargs'), arguments)
