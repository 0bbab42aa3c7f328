"""The attribute names by which a span is an interaction: those our SQL reads; imports nothing.

The SDK puts the same names on the wire (`otel_interactions/conventions.py`). The two packages do not import each other;
tests/collector/receive/json_api/test_conventions.py compares them.
"""

from __future__ import annotations

from typing import Final

SESSION_ID: Final = "session.id"
USER_ID: Final = "user.id"
SERVICE_NAME: Final = "service.name"  # of the resource
DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"  # of the resource
USER_AGENT: Final = "user_agent.original"
CLIENT_ADDRESS: Final = "client.address"
URL_FULL: Final = "url.full"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # seconds, float
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"  # JSON text: [{role, parts: [{type, content}]}]
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"  # JSON text
GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"  # JSON text
GEN_AI_TOOL_RESULT: Final = "gen_ai.tool.call.result"  # JSON text

TYPE: Final = "interaction.type"
TEXT_LENGTH: Final = "interaction.text.length"  # int, characters
RESPONSE_TIME_MS: Final = "interaction.response_time_ms"  # float
MOOD: Final = "interaction.mood"
COST_USD: Final = "interaction.cost_usd"  # float
AUDIO_DURATION_MS: Final = "interaction.audio.duration_ms"  # float
AUDIO_BYTES: Final = "interaction.audio.bytes"  # int
AUDIO_MIME_TYPE: Final = "interaction.audio.mime_type"
AUDIO_URL: Final = "interaction.audio.url"
CATEGORY: Final = "interaction.category"
SEVERITY: Final = "interaction.severity"
SOURCE: Final = "interaction.source"
MESSAGE: Final = "interaction.message"
DETAILS: Final = "interaction.details"  # JSON text
COMPONENT: Final = "interaction.component"
ACTION: Final = "interaction.action"
FROM_STATE: Final = "interaction.state.from"
TO_STATE: Final = "interaction.state.to"
STATE_EVENT: Final = "interaction.state.event"
STATE_CONTEXT: Final = "interaction.state.context"  # JSON text
DURATION_MS: Final = "interaction.duration_ms"  # float
METRIC_NAME: Final = "interaction.metric.name"
METRIC_VALUE: Final = "interaction.metric.value"  # float
METRIC_UNIT: Final = "interaction.metric.unit"
CRITICAL: Final = "interaction.critical"  # bool
SHOW_TO_USER: Final = "interaction.show_to_user"  # bool
USER_MESSAGE: Final = "interaction.user_message"  # what a user may be told of an error
SESSION_END_REASON: Final = "interaction.session.end_reason"
SESSION_MODE: Final = "interaction.session.mode"
SESSION_VOICE: Final = "interaction.session.voice"
SESSION_RESUMED: Final = "interaction.session.resumed"  # bool
SESSION_CLIENT: Final = "interaction.session.client"  # JSON text

# Only JSON clients say these.
ID: Final = "interaction.id"  # the client's own id of the item
METADATA: Final = "interaction.metadata"  # JSON text: what else stood in the item's metadata
EXTRA: Final = "interaction.extra"  # JSON text: fields of the item that no shape names
PROPS: Final = "interaction.props"  # JSON text: properties of the component an error came from
PROMPT_LENGTH: Final = "interaction.prompt.length"  # int, characters
TOKENS: Final = "interaction.tokens"  # int, where the client also said the tokens of the answer
RESOLVED: Final = "interaction.resolved"  # bool
