-- Who recorded an interaction of GenAI, by what only it says or by the name of the instrumentation (its scope).
CREATE OR REPLACE FUNCTION otel_dialect AS (known, scope) ->
  multiIf(
    known['langfuse'] != '', 'langfuse',
    known['openinference'] != '', 'openinference',
    scope = 'pydantic-ai', 'pydantic_ai',
    startsWith(scope, 'logfire'), 'logfire',
    startsWith(scope, 'openlit'), 'openlit',
    scope = 'gcp.vertex.agent', 'google_adk',
    startsWith(scope, 'livekit'), 'livekit',
    startsWith(scope, 'pipecat'), 'pipecat',
    startsWith(known['vercel'], 'ai.') OR scope IN ('ai', 'gen_ai'), 'vercel_ai',
    known['traceloop'] != '' OR known['traceloop_request'] != '' OR startsWith(scope, 'traceloop') OR known['total_tokens'] != '', 'openllmetry',
    known['provider'] = '' AND known['system'] != '', 'otel_genai_legacy',
    'otel_genai')
