"""Every attribute name the SDK puts on the wire, and the types of interactions; imports nothing.

OpenTelemetry's own name where one exists (semantic conventions 1.44 and the GenAI conventions that live in
`open-telemetry/semantic-conventions-genai`), else `interaction.*`. The collector reads the same names in SQL
(`collector/schema/sql`); tests/journeys compare the two through the engine.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

SCOPE: Final = "otel_interactions"  # the instrumentation scope of what we record

# The types of interactions.
Kind: TypeAlias = Literal[
    "session_start",
    "session_end",
    "user_message",
    "assistant_response",
    "tool_call",
    "tool_response",
    "audio_input",
    "audio_output",
    "error",
    "ui_event",
    "state_transition",
    "performance_metric",
    "event",
    "generation",
    "agent_run",
    "retrieval",
    "feedback",
]

# Who and where: core semantic conventions.
SESSION_ID: Final = "session.id"
SESSION_PREVIOUS_ID: Final = "session.previous_id"
USER_ID: Final = "user.id"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"
USER_AGENT: Final = "user_agent.original"
CLIENT_ADDRESS: Final = "client.address"
URL_FULL: Final = "url.full"
URL_PATH: Final = "url.path"
HTTP_REQUEST_METHOD: Final = "http.request.method"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# Models, messages, tools: GenAI conventions.
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # seconds, float
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"  # JSON text: [{role, parts: [{type, content}]}]
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"  # JSON text
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"  # JSON text: [{type, content}]
GEN_AI_CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"
GEN_AI_RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"  # JSON text: [{id, score, ...}]
GEN_AI_DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
GEN_AI_EVALUATION_NAME: Final = "gen_ai.evaluation.name"
GEN_AI_EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"  # float
GEN_AI_EVALUATION_LABEL: Final = "gen_ai.evaluation.score.label"
GEN_AI_EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"  # JSON text
GEN_AI_TOOL_RESULT: Final = "gen_ai.tool.call.result"  # JSON text

# What OpenTelemetry has no name for.
TYPE: Final = "interaction.type"
SEQUENCE: Final = "interaction.sequence"  # int, counts from 1 in one service.instance.id
TEXT_LENGTH: Final = "interaction.text.length"  # int, characters
DOCUMENTS: Final = "interaction.retrieval.documents"  # int, how many there were
FEEDBACK_OF: Final = "interaction.feedback.span_id"  # what was rated
RESPONSE_TIME_MS: Final = "interaction.response_time_ms"  # float
MOOD: Final = "interaction.mood"
COST_USD: Final = "interaction.cost_usd"  # float
AUDIO_DURATION_MS: Final = "interaction.audio.duration_ms"  # float
AUDIO_BYTES: Final = "interaction.audio.bytes"  # int
AUDIO_MIME_TYPE: Final = "interaction.audio.mime_type"
AUDIO_URL: Final = "interaction.audio.url"
AUDIO_INPUT_TOKENS: Final = "interaction.audio.input_tokens"  # int, of the tokens read those of sound: dearer than text
AUDIO_OUTPUT_TOKENS: Final = "interaction.audio.output_tokens"  # int, of the tokens written
AUDIO_CACHED_TOKENS: Final = "interaction.audio.cached_tokens"  # int, of the tokens from a cache
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
DURATION_MS: Final = "interaction.duration_ms"  # float, where the caller measured it and not the span
METRIC_NAME: Final = "interaction.metric.name"
METRIC_VALUE: Final = "interaction.metric.value"  # float
METRIC_UNIT: Final = "interaction.metric.unit"
CRITICAL: Final = "interaction.critical"  # bool
SHOW_TO_USER: Final = "interaction.show_to_user"  # bool
USER_MESSAGE: Final = "interaction.user_message"  # what a user may be told of an error
SESSION_END_REASON: Final = "interaction.session.end_reason"
SESSION_MODE: Final = "interaction.session.mode"  # text, voice
SESSION_VOICE: Final = "interaction.session.voice"
SESSION_CLOSE_CODE: Final = "interaction.session.close_code"  # int, the code a WebSocket was closed with
SESSION_RESUMED: Final = "interaction.session.resumed"  # bool
SESSION_HEARTBEAT: Final = "interaction.session.heartbeat"  # bool
SAMPLE_RATE: Final = "interaction.sample_rate"  # float, where only a share of the sessions has this type
ANONYMOUS: Final = "interaction.anonymous"  # bool
SESSION_CLIENT: Final = "interaction.session.client"  # JSON text: what the client said of itself
