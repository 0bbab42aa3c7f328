"""One function for each interaction that happens at one moment: messages, audio, errors, events, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal, ParamSpec, TypeVar, overload

from otel_interactions import conventions as names
from otel_interactions.conventions import Kind
from otel_interactions.decorators import wrap
from otel_interactions.failures import Failure, of_exception, of_message
from otel_interactions.guard import guard
from otel_interactions.recorder import installed, is_off
from otel_interactions.recording import NOTHING, Off, Recording, message, record, span_name
from otel_interactions.values import AttributeValue, as_number, as_text

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
Severity = Literal["debug", "info", "warn", "error"]
Attributes = Mapping[str, Any] | None


@overload
def user_message(text: str, *, attributes: Attributes = None) -> Recording: ...
@overload
def user_message(text: Callable[P, R]) -> Callable[P, R]: ...


def user_message(text: Any, *, attributes: Attributes = None) -> Any:
    """Record what the user wrote.

    Args:
        text: the message. `@user_message` on a function of any kind records the first text among the arguments of each
            call, before it runs.
        attributes: more attributes.
    """
    if callable(text):
        return wrap(text, _Heard)
    if is_off("user_message"):
        return NOTHING
    return record("user_message", {}, ready=_message("user", text), attributes=attributes)


def audio_input(
    *,
    duration_ms: float | None = None,
    size_bytes: int | None = None,
    mime_type: str | None = None,
    url: str | None = None,
    transcript: str | None = None,
    attributes: Attributes = None,
) -> Recording:
    """Record what the user said; never the sound itself.

    Args:
        duration_ms: how long it is, in milliseconds.
        size_bytes: how large it is, in bytes.
        mime_type: its format: `audio/ogg`.
        url: where it is kept.
        transcript: what was said.
        attributes: more attributes.
    """
    if is_off("audio_input"):
        return NOTHING
    return _audio("audio_input", "user", transcript, _sound(duration_ms, size_bytes, mime_type, url), attributes)


def audio_output(
    *,
    duration_ms: float | None = None,
    size_bytes: int | None = None,
    mime_type: str | None = None,
    url: str | None = None,
    transcript: str | None = None,
    attributes: Attributes = None,
) -> Recording:
    """Record what the assistant said aloud; the arguments are those of `audio_input`."""
    if is_off("audio_output"):
        return NOTHING
    return _audio("audio_output", "assistant", transcript, _sound(duration_ms, size_bytes, mime_type, url), attributes)


def error(
    problem: BaseException | str,
    *,
    critical: bool = False,
    component: str | None = None,
    type: str | None = None,  # noqa: A002  the word of the contract
    show_to_user: bool = False,
    user_message: str | None = None,
    user_agent: str | None = None,
    source: str = "server",
    details: Any = None,
    attributes: Attributes = None,
) -> Recording:
    """Record an error with its stack.

    Args:
        problem: an exception, or a message; with a message inside an `except` block, the exception being handled gives
            type and stack.
        critical: send it at once instead of with the next batch.
        component: the part of the application it happened in.
        type: a name for the kind of error, where there is no exception.
        show_to_user: whether a user may see it.
        user_message: what the user may be told.
        user_agent: the browser, for errors reported by one.
        source: `client`, `server`, `middleware`, `api`, `worker`.
        details: anything that helps; becomes JSON.
        attributes: more attributes.
    """
    if is_off("error"):
        return NOTHING
    fields = {
        names.CRITICAL: bool(critical),
        names.COMPONENT: component,
        names.SHOW_TO_USER: bool(show_to_user),
        names.USER_MESSAGE: user_message,
        names.USER_AGENT: user_agent,
        names.SOURCE: source,
        names.SEVERITY: "error",
        names.DETAILS: _details(details),
    }
    failure: Failure | None = None
    with guard:
        known = isinstance(problem, BaseException)
        failure = of_exception(problem) if known else of_message(as_text(problem), type)  # type: ignore[arg-type]
    return record("error", fields, attributes=attributes, failure=failure)


def event(
    category: str,
    message: str = "",
    *,
    severity: Severity | str = "info",
    source: str = "server",
    component: str | None = None,
    details: Any = None,
    show_to_user: bool = False,
    user_message: str | None = None,
    attributes: Attributes = None,
) -> Recording:
    """Record an event of a category, as in a log.

    Args:
        category: `auth`, `onboarding`, `payment`, `calls`, `ui`, `system`, `api`, `error`, or the application's own.
        message: what happened.
        severity: `debug`, `info`, `warn` or `error`.
        source: `client`, `server`, `middleware`, `api`, `worker`.
        component: the part of the application.
        details: anything that helps; becomes JSON.
        show_to_user: whether a user may see it.
        user_message: what the user may be told.
        attributes: more attributes.
    """
    if is_off("event"):
        return NOTHING
    fields = {
        names.CATEGORY: category,
        names.MESSAGE: message or None,
        names.SEVERITY: _severity(severity),
        names.SOURCE: source,
        names.COMPONENT: component,
        names.DETAILS: _details(details),
        names.SHOW_TO_USER: True if show_to_user else None,
        names.USER_MESSAGE: user_message,
    }
    return record("event", fields, attributes=attributes, detail=category)


def ui_event(
    action: str,
    component: str,
    *,
    details: Any = None,
    url: str | None = None,
    user_agent: str | None = None,
    source: str = "client",
    attributes: Attributes = None,
) -> Recording:
    """Record what the user did in the interface.

    Args:
        action: `click`, `input`, `scroll`, `navigation`, `submit`.
        component: what it was done to.
        details: anything that helps; becomes JSON.
        url: the page.
        user_agent: the browser.
        source: where it was noticed.
        attributes: more attributes.
    """
    if is_off("ui_event"):
        return NOTHING
    fields = {
        names.ACTION: action,
        names.COMPONENT: component,
        names.DETAILS: _details(details),
        names.URL_FULL: url,
        names.USER_AGENT: user_agent,
        names.SOURCE: source,
    }
    return record("ui_event", fields, attributes=attributes, detail=action)


def state_transition(
    from_state: str,
    to_state: str,
    *,
    event: str | None = None,
    context: Any = None,
    duration_ms: float | None = None,
    attributes: Attributes = None,
) -> Recording:
    """Record that the application went from one state to another.

    Args:
        from_state: the state it left.
        to_state: the state it is in now.
        event: what made it go.
        context: anything that helps; becomes JSON.
        duration_ms: milliseconds spent in the state it left.
        attributes: more attributes.
    """
    if is_off("state_transition"):
        return NOTHING
    fields = {
        names.FROM_STATE: from_state,
        names.TO_STATE: to_state,
        names.STATE_EVENT: event,
        names.STATE_CONTEXT: _details(context),
        names.DURATION_MS: as_number(duration_ms),
    }
    return record("state_transition", fields, attributes=attributes)


class Measured(Recording):
    """A stretch of time, made by `performance_metric()` without a value."""

    def __init__(self, name: str, attributes: Attributes = None) -> None:
        super().__init__("performance_metric", span_name("performance_metric", name), attributes)
        self._metric, self._extra = name, attributes
        self._put({names.METRIC_NAME: name, names.METRIC_UNIT: "ms"})

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is measured."""
        return wrap(
            function,
            lambda _args, _kwargs: Measured(self._metric, self._extra),
            partial(is_off, "performance_metric"),
        )

    def _finishing(self, end_ns: int) -> None:
        self._attributes[names.METRIC_VALUE] = (end_ns - self._started_ns) / 1e6


class _OffMeasured(Off, Measured):
    """A stretch of time while nothing is recorded; as a decorator what it would be."""

    def __call__(self, function: F) -> F:
        """Decorate a function, whose calls are measured once anything is."""
        return Measured(*self._given)(function)


@overload
def performance_metric(
    name: str, value: float, *, unit: str | None = None, attributes: Attributes = None
) -> Recording: ...
@overload
def performance_metric(name: str, *, attributes: Attributes = None) -> Measured: ...


def performance_metric(
    name: str, value: float | None = None, *, unit: str | None = None, attributes: Attributes = None
) -> Recording:
    """Record one measurement; without a value the milliseconds of a `with` block or of a decorated function's calls.

    Args:
        name: `FCP`, `LCP`, `TTI`, `CLS`, `INP`, `TTFB`, or the application's own.
        value: the number.
        unit: what it counts: `ms`.
        attributes: more attributes.
    """
    if value is None:
        given = name, attributes
        return Measured(*given) if installed() else _OffMeasured("performance_metric", *given)
    if is_off("performance_metric"):
        return NOTHING
    fields = {names.METRIC_NAME: name, names.METRIC_VALUE: as_number(value), names.METRIC_UNIT: unit}
    return record("performance_metric", fields, attributes=attributes, detail=name)


class _Heard:
    """A call of a function decorated with `user_message`: the scope of `decorators.wrap`."""

    def __init__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._texts = (each for each in (*args, *kwargs.values()) if isinstance(each, str))

    def enter(self) -> None:
        """Record the message."""
        text = next(self._texts, None)
        if text is not None:
            user_message(text)

    def active(self) -> AbstractContextManager[None]:
        """Be where the caller is: a message has nothing inside."""
        return nullcontext()

    def yielded(self, item: Any) -> None:
        """What the function does is its own."""

    def returned(self, value: Any) -> Any:
        """What the function does is its own."""
        return value

    def leave(self, error: BaseException | None) -> None:
        """What the function does is its own."""


def _audio(kind: Kind, role: str, transcript: str | None, fields: dict[str, Any], attributes: Attributes) -> Recording:
    ready = None if transcript is None else _message(role, transcript)
    return record(kind, fields, ready=ready, attributes=attributes)


def _sound(duration_ms: Any, size_bytes: Any, mime_type: Any, url: Any) -> dict[str, Any]:
    return {
        names.AUDIO_DURATION_MS: as_number(duration_ms),
        names.AUDIO_BYTES: size_bytes,
        names.AUDIO_MIME_TYPE: mime_type,
        names.AUDIO_URL: url,
    }


def _message(role: str, text: Any) -> dict[str, AttributeValue]:
    recorder = installed()
    with guard:
        text = text if isinstance(text, str) else as_text(text)
        return message(role, text, capture=recorder is not None and recorder.capture_content)
    return {}


def _details(value: Any) -> str | None:
    """Return JSON text, a str as it is; None stays None."""
    return None if value is None else as_text(value)


def _severity(given: Any) -> str:
    """Return the word of the contract for other spellings of it."""
    text = as_text(given).strip().lower()
    return {"warning": "warn", "err": "error", "critical": "error", "fatal": "error"}.get(text, text)
