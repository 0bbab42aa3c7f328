"""What every item has in common, and the draft of a span that it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import AliasChoices, AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from collector.receive.json_api import conventions as names
from collector.receive.json_api.fields import Identity, Moment, as_json

Value: TypeAlias = str | bool | int | float | list[str]
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
    "generation",
    "event",
]

OTHER = "_OTHER"  # OpenTelemetry's error.type where there is no better


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong."""

    message: str = ""
    type: str | None = None
    stack: str | None = None

    @property
    def status(self) -> str:
        """Return the span's status message, in the SDK's words."""
        kind = self.type or OTHER
        return f"{kind}: {self.message}"[:500] if self.message else kind

    def attributes(self) -> dict[str, Value | None]:
        """Return the failure in OpenTelemetry's names."""
        kind = self.type or OTHER
        return {
            names.ERROR_TYPE: kind,
            names.EXCEPTION_TYPE: kind,
            names.EXCEPTION_MESSAGE: self.message or None,
            names.EXCEPTION_STACKTRACE: self.stack,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A span that lacks its place only: ids and time.

    Attributes:
        kind: the interaction's type.
        fields: its attributes by their names on the wire; None means absent.
        detail: goes into the span's name after the type; has few different values.
        failure: what went wrong, if it is about that.
        started_ms: milliseconds from its start to the moment the item names.
        ended_ms: milliseconds from its end to that moment.
        is_root: whether it is the first span of its session's trace.
    """

    kind: Kind
    fields: Mapping[str, Value | None] = field(default_factory=dict)
    detail: str = ""
    failure: Failure | None = None
    started_ms: float = 0.0
    ended_ms: float = 0.0
    is_root: bool = False


def _snake_or_camel(name: str) -> AliasChoices:
    return AliasChoices(name, to_camel(name))


def _camel_or_snake(name: str) -> AliasChoices:
    return AliasChoices(to_camel(name), name)


class Snake(BaseModel):
    """Fields named in snake_case, camelCase taken alike; what no field names is kept."""

    model_config = ConfigDict(extra="allow", alias_generator=AliasGenerator(validation_alias=_snake_or_camel))


class Camel(BaseModel):
    """Fields named in camelCase, snake_case taken alike; what no field names is kept."""

    model_config = ConfigDict(extra="allow", alias_generator=AliasGenerator(validation_alias=_camel_or_snake))


class Context(BaseModel):
    """Circumstances; clients put them beside an item's own fields or into its metadata."""

    timestamp: Moment | None = Field(
        default=None,
        description="When it was over: milliseconds since 1970, or ISO 8601 text (UTC unless it names a zone). Numbers "
        "below 1e11 count seconds. Allowed are the years 2000 to 2099; without it the time of receipt holds.",
    )
    component: str | None = Field(default=None, description="The part of the application.")
    source: str | None = Field(default=None, description="Where it was noticed: client, server, middleware, api.")
    url: str | None = Field(default=None, description="The page or address it is about.")
    user_agent: str | None = Field(default=None, description="The browser.")
    user_ip: str | None = Field(default=None, description="The user's address.")
    critical: bool | None = Field(default=None, description="Whether it must be visible at once, ahead of the batch.")
    service: str | None = Field(default=None, description="The application that sends it.")
    environment: str | None = Field(default=None, description="Where that application runs: production, test.")


class Item(Context, ABC):
    """One thing a client sends."""

    id: Identity = Field(
        default=None,
        validation_alias=AliasChoices("id", "event_id", "eventId"),
        description="The client's own id of this item, text or number; its span's id follows from it.",
    )
    session_id: Identity = Field(
        default=None,
        description="The session, text or number. Without one the item stands alone, in a trace of its own.",
    )
    user_id: Identity = Field(default=None, description="Who the user is, text or number.")
    metadata: Any = None

    @abstractmethod
    def drafts(self) -> tuple[Draft, ...]:
        """Return what it becomes."""

    @cached_property
    def given(self) -> dict[str, Any]:
        """The fields that were given: the item's own before those of its content before those of its metadata."""
        found: dict[str, Any] = {}
        fields = vars(self)  # of a model: what its fields hold; attributes of it are also what no field names
        for place in (fields["metadata"], fields.get("content"), self):
            if place is not None:
                found |= {name: value for name, value in vars(place).items() if value is not None}
        return found

    @property
    def is_one_of_a_kind(self) -> bool:
        """Whether it has an id or a time of its own."""
        return bool(self.id or self.given.get("timestamp"))

    def common(self) -> dict[str, Value | None]:
        """Return the attributes that every kind of item may have; None means absent."""
        given = self.given.get
        return {
            names.ID: self.id,
            names.SESSION_ID: self.session_id,
            names.USER_ID: self.user_id,
            names.COMPONENT: given("component"),
            names.SOURCE: given("source"),
            names.URL_FULL: given("url"),
            names.USER_AGENT: given("user_agent"),
            names.CLIENT_ADDRESS: given("user_ip"),
            names.CRITICAL: given("critical"),
            names.METADATA: rest(self.metadata),
            names.EXTRA: rest(self),
        }


def as_text(value: Any) -> str | None:
    """Return text as it is, anything else as JSON; None stays None."""
    return value if value is None or isinstance(value, str) else as_json(value)


def rest(model: BaseModel | None) -> str | None:
    """Return what a client sent beyond the fields of a shape, as JSON; None if that is nothing."""
    extra = None if model is None else model.model_extra
    return as_json(extra) if extra else None


def message(role: Literal["user", "assistant"], text: str | None, finish_reason: str | None = None) -> dict[str, Value]:
    """Return the attribute of one message of a conversation, as JSON in OpenTelemetry's form; {} for no text."""
    if text is None:
        return {}
    one: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": text}]}
    if finish_reason is not None:
        one["finish_reason"] = finish_reason
    where = names.GEN_AI_OUTPUT_MESSAGES if role == "assistant" else names.GEN_AI_INPUT_MESSAGES
    return {where: as_json([one])}
