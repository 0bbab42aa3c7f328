"""The shapes of `POST /api/log-interaction`: one model for each kind of event, told apart by their fields."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from pydantic import AliasChoices, ConfigDict, Field
from pydantic.alias_generators import to_snake

from collector.receive.json_api import conventions as names
from collector.receive.json_api.fields import Count, Json, Milliseconds, Name, NoShape, Number, Severity, one_of
from collector.receive.json_api.items import Camel, Context, Draft, Failure, Item, Value, as_text

_COMMON: Final = {"timestamp": "2025-01-01T00:00:00Z", "sessionId": "s1", "userId": None}


def _example(fields: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [_COMMON | fields]})


class EventMetadata(Camel, Context):
    """Circumstances of an event; fields that no shape names are kept as `interaction.metadata`."""


class Event(Camel, Item):
    """One event of a client or of the system."""

    details: Json = Field(default=None, description="Anything that helps: any JSON, or text.")
    metadata: EventMetadata | None = None

    def common(self) -> dict[str, Value | None]:
        """Return the attributes that every kind may have."""
        return super().common() | {names.DETAILS: as_text(self.details)}


class UiEvent(Event):
    """The user did something in the interface."""

    model_config = _example({"action": "click", "component": "GenerateButton", "details": {}, "metadata": {}})
    action: Name = Field(description="click, input, scroll, navigate, submit, or the application's own.")

    def common(self) -> dict[str, Value | None]:
        """Return the attributes that every kind may have; the interface is the client's unless it says otherwise."""
        common = super().common()
        return common | {names.SOURCE: common[names.SOURCE] or "client"}

    def drafts(self) -> tuple[Draft, ...]:
        """Return a moment."""
        return (Draft("ui_event", {names.ACTION: self.action}, detail=self.action),)


class GenerationResult(Event):
    """A generation has ended, well or not; its timestamp says when."""

    model_config = _example(
        {"generationTime": 1830, "promptLength": 120, "provider": "openai", "success": False, "errorType": "timeout"}
    )
    generation_time: Milliseconds | None = Field(default=None, description="Milliseconds it took.")
    prompt_length: Count | None = Field(default=None, description="Characters of the prompt.")
    provider: str | None = Field(default=None, description="Who runs the model.")
    model: str | None = Field(default=None, description="The model.")
    success: bool | None = Field(default=None, description="Whether there is a result; without it errorType tells.")
    error_type: str | None = Field(default=None, description="A name for what went wrong.")
    error: str | None = Field(default=None, description="What went wrong, as a message.")

    def drafts(self) -> tuple[Draft, ...]:
        """Return a model call that took its generation time."""
        says_why = self.error_type is not None or self.error is not None
        failed = says_why if self.success is None else not self.success
        failure = Failure(self.error or "", self.error_type)
        fields: dict[str, Value | None] = {
            names.GEN_AI_PROVIDER_NAME: self.provider,
            names.GEN_AI_REQUEST_MODEL: self.model,
            names.PROMPT_LENGTH: self.prompt_length,
        }
        if says_why and not failed:  # told all the same, so it is kept
            fields |= failure.attributes()
        took = self.generation_time or 0.0
        return (Draft("generation", fields, failure=failure if failed else None, started_ms=took),)


class StateTransition(Event):
    """The application went from one state to another; its timestamp says when."""

    model_config = _example(
        {"fromState": "idle", "toState": "generating", "event": "START", "context": {"retries": 0}, "duration": 1200}
    )
    from_state: str | None = Field(default=None, description="The state it left.")
    to_state: Name = Field(description="The state it is in now.")
    event: str | None = Field(default=None, description="What made it go.")
    context: Json = Field(default=None, description="Anything that helps: any JSON, or text.")
    duration: Milliseconds | None = Field(
        default=None,
        validation_alias=AliasChoices("duration", "durationMs", "duration_ms"),
        description="Milliseconds spent in the state it left.",
    )

    def drafts(self) -> tuple[Draft, ...]:
        """Return a moment: the time in the state it left is no duration of the transition."""
        fields: dict[str, Value | None] = {
            names.FROM_STATE: self.from_state,
            names.TO_STATE: self.to_state,
            names.STATE_EVENT: self.event,
            names.STATE_CONTEXT: as_text(self.context),
            names.DURATION_MS: self.duration,
        }
        return (Draft("state_transition", fields),)


class PerformanceMetric(Event):
    """One measurement."""

    model_config = _example({"metric": "LCP", "value": 1180.5, "unit": "ms"})
    metric: Name = Field(description="FCP, LCP, TTI, CLS, INP, TTFB, API, or the application's own.")
    value: Number = Field(description="The number.")
    unit: str | None = Field(default=None, description="What it counts: ms.")

    def drafts(self) -> tuple[Draft, ...]:
        """Return a moment."""
        fields: dict[str, Value | None] = {
            names.METRIC_NAME: self.metric,
            names.METRIC_VALUE: self.value,
            names.METRIC_UNIT: self.unit,
        }
        return (Draft("performance_metric", fields, detail=self.metric),)


class ErrorEvent(Event):
    """An error."""

    model_config = _example(
        {
            "error": "Cannot read properties of undefined",
            "stack": "TypeError: …\n    at render (app.js:10:5)",
            "component": "WorkoutPlan",
            "props": {"planId": 7},
            "userAgent": "Mozilla/5.0",
            "critical": True,
        }
    )
    error: Name = Field(description="The message.")
    error_type: str | None = Field(default=None, description="A name for the kind of error.")
    stack: str | None = Field(default=None, description="The stack.")
    props: Json = Field(default=None, description="Properties of the component: any JSON, or text.")

    def drafts(self) -> tuple[Draft, ...]:
        """Return a failure."""
        fields: dict[str, Value | None] = {names.SEVERITY: "error", names.PROPS: as_text(self.props)}
        return (Draft("error", fields, failure=Failure(self.error, self.error_type, self.stack)),)


class CategorisedEvent(Event):
    """An event of a category, as in a log."""

    model_config = _example(
        {
            "category": "payment",
            "type": "warn",
            "message": "card declined",
            "details": {"attempt": 2},
            "url": "https://app.example/checkout",
            "userAgent": "Mozilla/5.0",
            "source": "client",
            "showToUser": True,
            "userMessage": "Your card was declined.",
            "resolved": False,
        }
    )
    category: Name = Field(
        description="auth, onboarding, payment, calls, ui, system, api, error, or the application's own."
    )
    type: Severity | None = Field(default=None, description="How serious it is; info unless said.")
    message: str | None = Field(default=None, description="What happened.")
    show_to_user: bool | None = Field(default=None, description="Whether a user may see it.")
    user_message: str | None = Field(default=None, description="What the user may be told.")
    resolved: bool | None = Field(default=None, description="Whether it is settled.")

    def drafts(self) -> tuple[Draft, ...]:
        """Return a moment."""
        fields: dict[str, Value | None] = {
            names.CATEGORY: self.category,
            names.SEVERITY: self.type or "info",
            names.MESSAGE: self.message,
            names.SHOW_TO_USER: self.show_to_user,
            names.USER_MESSAGE: self.user_message,
            names.RESOLVED: self.resolved,
        }
        return (Draft("event", fields, detail=self.category),)


Logged: TypeAlias = UiEvent | GenerationResult | StateTransition | PerformanceMetric | ErrorEvent | CategorisedEvent

# The first field an item has says its kind; an item may have several, a failed generation also an error.
_BY_FIELD: Final[dict[str, type[Event]]] = {
    "category": CategorisedEvent,
    "toState": StateTransition,
    "fromState": StateTransition,
    "metric": PerformanceMetric,
    "generationTime": GenerationResult,
    "promptLength": GenerationResult,
    "error": ErrorEvent,
    "action": UiEvent,
    "success": GenerationResult,
}
_SPELLINGS: Final = [(name, to_snake(name), shape) for name, shape in _BY_FIELD.items()]


def read(item: dict[str, Any]) -> Item:
    """Return one item as its model.

    Raises:
        NoShape: it has none of the fields that say what kind it is.
        ValidationError: it is not as its kind must be.
    """
    for camel, snake, shape in _SPELLINGS:
        if item.get(camel) is not None or item.get(snake) is not None:
            return shape.model_validate(item)
    raise NoShape("", f"its kind is not clear; should have {one_of(_BY_FIELD)}")
