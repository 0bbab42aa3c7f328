"""The shapes of `POST /api/interactions/log`: one model for each interaction_type, and one for a whole exchange."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from collector.receive.json_api import conventions as names
from collector.receive.json_api.fields import (
    Cost,
    Count,
    Identity,
    Json,
    Milliseconds,
    Name,
    NoShape,
    RequiredIdentity,
    one_of,
    shown,
)
from collector.receive.json_api.items import (
    Context,
    Draft,
    Failure,
    Item,
    Kind,
    Snake,
    Value,
    as_text,
    message,
    rest,
)

_SESSION: Final = "session_1704067200_abc123"
_AT: Final = 1704067200000
EXECUTE_TOOL: Final = "execute_tool"


def _example(kind: Kind, content: dict[str, Any], **metadata: Any) -> ConfigDict:
    return ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "session_id": _SESSION,
                    "user_id": "user-uuid",
                    "interaction_type": kind,
                    "content": content,
                    "metadata": {"timestamp": _AT, **metadata},
                }
            ]
        }
    )


class Content(Snake):
    """What an interaction is about; fields that no shape names are kept as `interaction.details`."""


class InteractionMetadata(Snake, Context):
    """Circumstances of an interaction; fields that no shape names are kept as `interaction.metadata`."""


class Interaction(Snake, Item):
    """One interaction of a session."""

    session_id: RequiredIdentity = Field(description="The session, text or number.")
    interaction_type: str
    metadata: InteractionMetadata | None = None

    def common(self) -> dict[str, Value | None]:
        """Return the attributes that every kind may have."""
        return super().common() | {names.DETAILS: rest(vars(self)["content"])}


class AnswerFacts(Snake):
    """Facts about an answer; taken from the content or from the metadata."""

    model: str | None = Field(default=None, description="The model that answered.")
    provider: str | None = Field(default=None, description="Who runs the model.")
    tokens: Count | None = Field(default=None, description="Tokens of the answer, unless output_tokens says them.")
    input_tokens: Count | None = Field(default=None, description="Tokens read.")
    output_tokens: Count | None = Field(default=None, description="Tokens written.")
    cost_usd: Cost | None = Field(default=None, description="What it cost, in US dollars.")
    finish_reason: str | None = Field(default=None, description="Why the model stopped.")
    response_time_ms: Milliseconds | None = Field(default=None, description="From the question to the complete answer.")
    ttft_ms: Milliseconds | None = Field(default=None, description="From the question to the first part of the answer.")
    mood: str | None = Field(default=None, description="The mood ascribed to the answer.")


class AnswerMetadata(InteractionMetadata, AnswerFacts):
    """Circumstances of an answer."""


def _answer(item: Item, text: str | None, length: int | None) -> Draft:
    given = item.given.get
    first, took, finish = given("ttft_ms"), given("response_time_ms"), given("finish_reason")
    tokens, written = given("tokens"), given("output_tokens")
    fields: dict[str, Value | None] = {
        names.GEN_AI_REQUEST_MODEL: given("model"),
        names.GEN_AI_PROVIDER_NAME: given("provider"),
        names.GEN_AI_INPUT_TOKENS: given("input_tokens"),
        names.GEN_AI_OUTPUT_TOKENS: tokens if written is None else written,
        names.TOKENS: None if written is None else tokens,
        names.COST_USD: given("cost_usd"),
        names.GEN_AI_FINISH_REASONS: None if finish is None else [finish],
        names.RESPONSE_TIME_MS: took,
        names.GEN_AI_TIME_TO_FIRST_CHUNK: None if first is None else first / 1e3,
        names.MOOD: given("mood"),
        names.TEXT_LENGTH: len(text) if length is None and text is not None else length,
    }
    return Draft("assistant_response", fields | message("assistant", text, finish), started_ms=took or 0.0)


class TextContent(Content):
    """A message."""

    text: str | None = Field(default=None, description="The message; it may be left out where its length is given.")
    length: Count | None = Field(default=None, description="Characters of the message, unless they are to be counted.")

    @model_validator(mode="after")
    def _text_or_length(self) -> Self:
        if self.text is None and self.length is None:
            raise ValueError("text is required, or length where the text is not to be kept")
        return self


class AnswerContent(TextContent, AnswerFacts):
    """The text of an answer."""


class UserMessage(Interaction):
    """What the user wrote."""

    model_config = _example("user_message", {"text": "How do I create a workout plan?", "length": 32})
    interaction_type: Literal["user_message"] = Field(validation_alias="interaction_type")
    content: TextContent

    def drafts(self) -> tuple[Draft, ...]:
        """Return a message of the role user."""
        return (_question(self.content.text, self.content.length),)


def _question(text: str | None, length: int | None, before_ms: float = 0.0) -> Draft:
    length = len(text) if length is None and text is not None else length
    fields = {names.TEXT_LENGTH: length, **message("user", text)}
    return Draft("user_message", fields, started_ms=before_ms, ended_ms=before_ms)


class AssistantResponse(Interaction):
    """What the assistant answered; its timestamp says when it was complete."""

    model_config = _example(
        "assistant_response",
        {"text": "Start with two days a week.", "length": 27},
        tokens=12,
        finishReason="stop",
        model="gpt-5",
        response_time_ms=850,
        mood="encouraging",
    )
    interaction_type: Literal["assistant_response"] = Field(validation_alias="interaction_type")
    content: AnswerContent
    metadata: AnswerMetadata | None = None

    def drafts(self) -> tuple[Draft, ...]:
        """Return a message of the role assistant that took its response time."""
        return (_answer(self, self.content.text, self.content.length),)


class Format(Snake):
    """The format of a sound; taken from the content or from the metadata."""

    mime_type: str | None = Field(default=None, description="audio/ogg, audio/pcm")


class AudioContent(Content, Format):
    """A sound: never itself, but what is known of it."""

    audio_duration_ms: Milliseconds | None = Field(default=None, description="How long it is.")
    audio_size_bytes: Count | None = Field(default=None, description="How large it is.")
    audio_url: str | None = Field(default=None, description="Where it is kept.")
    transcript: str | None = Field(default=None, description="What was said.")


class AudioMetadata(InteractionMetadata, Format):
    """Circumstances of a sound."""


_SOUND: Final = {
    "audio_duration_ms": 2300,
    "audio_size_bytes": 73600,
    "audio_url": "https://media.example/a/1.ogg",
    "transcript": "And on weekends?",
}


class _Audio(Interaction):
    content: AudioContent
    metadata: AudioMetadata | None = None

    def _draft(self, kind: Kind, role: Literal["user", "assistant"]) -> tuple[Draft, ...]:
        text = self.content.transcript
        fields: dict[str, Value | None] = {
            names.AUDIO_DURATION_MS: self.content.audio_duration_ms,
            names.AUDIO_BYTES: self.content.audio_size_bytes,
            names.AUDIO_MIME_TYPE: self.given.get("mime_type"),
            names.AUDIO_URL: self.content.audio_url,
            names.TEXT_LENGTH: None if text is None else len(text),
        }
        return (Draft(kind, fields | message(role, text)),)


class AudioInput(_Audio):
    """What the user said."""

    model_config = _example("audio_input", _SOUND, mime_type="audio/ogg")
    interaction_type: Literal["audio_input"] = Field(validation_alias="interaction_type")

    def drafts(self) -> tuple[Draft, ...]:
        """Return a sound of the role user."""
        return self._draft("audio_input", "user")


class AudioOutput(_Audio):
    """What the assistant said aloud."""

    model_config = _example("audio_output", _SOUND | {"transcript": "Rest on Sunday."}, mime_type="audio/ogg")
    interaction_type: Literal["audio_output"] = Field(validation_alias="interaction_type")

    def drafts(self) -> tuple[Draft, ...]:
        """Return a sound of the role assistant."""
        return self._draft("audio_output", "assistant")


class ToolCallContent(Content):
    """A call of a tool."""

    function_name: Name = Field(description="The tool.")
    arguments: Json = Field(default=None, description="What it is called with: any JSON, or text.")
    call_id: Identity = Field(default=None, description="The id the model gave the call.")


class ToolCall(Interaction):
    """The model calls a tool."""

    model_config = _example(
        "tool_call", {"function_name": "get_weather", "arguments": {"city": "Köln"}, "call_id": "call_1"}
    )
    interaction_type: Literal["tool_call"] = Field(validation_alias="interaction_type")
    content: ToolCallContent

    def drafts(self) -> tuple[Draft, ...]:
        """Return a call."""
        call = self.content
        fields: dict[str, Value | None] = {
            names.GEN_AI_OPERATION_NAME: EXECUTE_TOOL,
            names.GEN_AI_TOOL_NAME: call.function_name,
            names.GEN_AI_TOOL_CALL_ID: call.call_id,
            names.GEN_AI_TOOL_ARGUMENTS: as_text(call.arguments),
        }
        return (Draft("tool_call", fields, detail=call.function_name),)


class Timing(Snake):
    """How long something took; taken from the content or from the metadata."""

    duration_ms: Milliseconds | None = Field(default=None, description="How long it took.")


class ToolResponseContent(Content, Timing):
    """What a tool gave back: a result or an error."""

    function_name: Name = Field(description="The tool.")
    call_id: Identity = Field(default=None, description="The id of the call it answers.")
    result: Json = Field(default=None, description="What it gave back: any JSON, or text.")
    error: Json = Field(default=None, description="Why it failed: text, or any JSON.")


class ToolResponseMetadata(InteractionMetadata, Timing):
    """Circumstances of a tool's response."""


class ToolResponse(Interaction):
    """A tool has answered; its timestamp says when."""

    model_config = _example(
        "tool_response",
        {"function_name": "get_weather", "call_id": "call_1", "result": {"sky": "rain"}},
        duration_ms=120,
    )
    interaction_type: Literal["tool_response"] = Field(validation_alias="interaction_type")
    content: ToolResponseContent
    metadata: ToolResponseMetadata | None = None

    def drafts(self) -> tuple[Draft, ...]:
        """Return a response that took its duration."""
        result, error = as_text(self.content.result), as_text(self.content.error)
        fields: dict[str, Value | None] = {
            names.GEN_AI_OPERATION_NAME: EXECUTE_TOOL,
            names.GEN_AI_TOOL_NAME: self.content.function_name,
            names.GEN_AI_TOOL_CALL_ID: self.content.call_id,
            names.GEN_AI_TOOL_RESULT: result,
            names.TEXT_LENGTH: None if result is None else len(result),
        }
        failure = None if error is None else Failure(error)
        took = self.given.get("duration_ms") or 0.0
        return (Draft("tool_response", fields, self.content.function_name, failure, started_ms=took),)


class SessionStartContent(Content):
    """What a session begins with."""

    model: str | None = Field(default=None, description="The model that answers.")
    mode: str | None = Field(default=None, description="text or voice")
    voice: str | None = Field(default=None, description="The voice that speaks.")
    resumed: bool | None = Field(default=None, description="Whether the session was started before, here or elsewhere.")


class SessionStart(Interaction):
    """A session begins. What its metadata says beyond the fields named here is the client's description of itself."""

    model_config = _example(
        "session_start", {"model": "gpt-5", "mode": "voice", "voice": "Aoede"}, client="web", appVersion="2.1.0"
    )
    interaction_type: Literal["session_start"] = Field(validation_alias="interaction_type")
    content: SessionStartContent | None = None

    def common(self) -> dict[str, Value | None]:
        """Return the attributes that every kind may have, save that the rest of the metadata is the client."""
        common = super().common()
        return common | {names.SESSION_CLIENT: common[names.METADATA], names.METADATA: None}

    def drafts(self) -> tuple[Draft, ...]:
        """Return the first span of the session's trace; of a resumed session, one below it."""
        content = self.content or SessionStartContent()
        resumed = bool(content.resumed)
        fields: dict[str, Value | None] = {
            names.GEN_AI_REQUEST_MODEL: content.model,
            names.SESSION_MODE: content.mode,
            names.SESSION_VOICE: content.voice,
            names.SESSION_RESUMED: True if resumed else None,
        }
        return (Draft("session_start", fields, is_root=not resumed),)


class SessionEndContent(Content):
    """How a session ended."""

    reason: str | None = Field(default=None, description="Why: user_disconnect, completed.")
    duration: Milliseconds | None = Field(
        default=None,
        validation_alias=AliasChoices("duration", "duration_ms", "durationMs"),
        description="Milliseconds it took.",
    )


class SessionEnd(Interaction):
    """A session has ended; its timestamp says when."""

    model_config = _example("session_end", {"reason": "user_disconnect", "duration": 61500})
    interaction_type: Literal["session_end"] = Field(validation_alias="interaction_type")
    content: SessionEndContent | None = None

    def drafts(self) -> tuple[Draft, ...]:
        """Return the moment of the end: the session's duration is no duration of the end."""
        content = self.content or SessionEndContent()
        fields: dict[str, Value | None] = {
            names.SESSION_END_REASON: content.reason,
            names.DURATION_MS: content.duration,
        }
        return (Draft("session_end", fields),)


class ErrorContent(Content):
    """An error."""

    error: Name = Field(description="The message.")
    stack: str | None = Field(default=None, description="The stack.")
    component: str | None = Field(default=None, description="The part of the application it happened in.")
    code: Identity = Field(default=None, description="A name or number for the kind of error.")
    critical: bool | None = Field(default=None, description="Whether it must be visible at once, ahead of the batch.")


class ErrorInteraction(Interaction):
    """An error."""

    model_config = _example(
        "error",
        {
            "error": "The microphone is not available",
            "stack": "NotAllowedError: …\n    at start (voice.js:10:5)",
            "component": "VoiceButton",
            "code": "NotAllowedError",
        },
        userAgent="Mozilla/5.0",
        critical=True,
    )
    interaction_type: Literal["error"] = Field(validation_alias="interaction_type")
    content: ErrorContent

    def drafts(self) -> tuple[Draft, ...]:
        """Return a failure."""
        failure = Failure(self.content.error, self.content.code, self.content.stack)
        return (Draft("error", {names.SEVERITY: "error"}, failure=failure),)


class Exchange(Item, AnswerFacts):
    """A question and its answer in one object; they become a user_message and an assistant_response.

    Its timestamp says when the answer was complete; the question stands its response time earlier.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "session_id": _SESSION,
                    "user_message": "How do I create a workout plan?",
                    "ai_response": "Start with two days a week.",
                    "mood": "encouraging",
                    "response_time_ms": 850,
                    "user_ip": "203.0.113.7",
                    "user_agent": "Mozilla/5.0",
                    "metadata": {"timestamp": _AT, "model": "gpt-5"},
                }
            ]
        }
    )
    session_id: RequiredIdentity = Field(description="The session, text or number.")
    user_message: str | None = Field(default=None, description="The question; this or ai_response is required.")
    ai_response: str | None = Field(default=None, description="The answer.")
    metadata: AnswerMetadata | None = None

    def drafts(self) -> tuple[Draft, ...]:
        """Return the question, then the answer; either may be missing."""
        before = self.given.get("response_time_ms") or 0.0
        asked = () if self.user_message is None else (_question(self.user_message, None, before),)
        answered = () if self.ai_response is None else (_answer(self, self.ai_response, None),)
        return (*asked, *answered)


Typed: TypeAlias = Annotated[
    UserMessage
    | AssistantResponse
    | AudioInput
    | AudioOutput
    | ToolCall
    | ToolResponse
    | SessionStart
    | SessionEnd
    | ErrorInteraction,
    Field(discriminator="interaction_type"),
]
Logged: TypeAlias = Typed | Exchange

_BY_TYPE: Final[dict[str, type[Interaction]]] = {
    "user_message": UserMessage,
    "assistant_response": AssistantResponse,
    "audio_input": AudioInput,
    "audio_output": AudioOutput,
    "tool_call": ToolCall,
    "tool_response": ToolResponse,
    "session_start": SessionStart,
    "session_end": SessionEnd,
    "error": ErrorInteraction,
}
_TYPE_KEYS: Final = ("interaction_type", "interactionType")
_EXCHANGE_KEYS: Final = ("user_message", "userMessage", "ai_response", "aiResponse")


def read(item: dict[str, Any]) -> Item:
    """Return one item as its model.

    Raises:
        NoShape: it is of no type that is known.
        ValidationError: it is not as its type must be.
    """
    key = next((key for key in _TYPE_KEYS if item.get(key) is not None), None)
    if key is None:
        if any(item.get(each) is not None for each in _EXCHANGE_KEYS):
            return Exchange.model_validate(item)
        raise NoShape(
            "interaction_type",
            f"is required; should be {one_of(_BY_TYPE)}, or left out where user_message and ai_response are given",
        )
    kind = item[key]
    shape = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise NoShape(key, f"found {shown(kind)}; should be {one_of(_BY_TYPE)}")
    others = {name: value for name, value in item.items() if name not in _TYPE_KEYS}
    return shape.model_validate({"interaction_type": kind, **others})
