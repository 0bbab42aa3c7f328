-- The provider of a model by its name in the GenAI conventions: lower case, old names and hosts by their present one.
CREATE OR REPLACE FUNCTION otel_provider AS (known) ->
  transform(
    replaceRegexpOne(lower(if(known['provider'] != '', known['provider'], known['system'])), '^(openai|anthropic|google|mistral|cohere)\\..*$', '\\1'),
    ['xai', 'az.ai.openai', 'az.ai.inference', 'azure', 'vertex_ai', 'vertexai', 'gemini', 'google', 'google_ai_studio', 'bedrock', 'mistralai', 'aws'],
    ['x_ai', 'azure.ai.openai', 'azure.ai.inference', 'azure.ai.openai', 'gcp.vertex_ai', 'gcp.vertex_ai', 'gcp.gemini', 'gcp.gemini', 'gcp.gemini', 'aws.bedrock', 'mistral_ai', 'aws.bedrock'])
