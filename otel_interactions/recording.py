"""One interaction from its start to its end: what the functions that record return."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN, Span, format_span_id, format_trace_id, set_span_in_context

from otel_interactions import conventions as names
from otel_interactions.conventions import Kind
from otel_interactions.decorators import Active
from otel_interactions.failures import Failure, of_exception
from otel_interactions.guard import guard
from otel_interactions.placement import place
from otel_interactions.recorder import AFTER_SHUTDOWN, Recorder, installed, is_off, recorder_for, refuse
from otel_interactions.session import Session
from otel_interactions.values import AttributeValue, as_attribute, as_attributes, as_text, clean


class Recording:
    """One interaction. None of its methods raises; without a recorder they do nothing.

    Use it as `with` or `async with` to have what happens inside become its children and to have its time measured; an
    exception that passes is recorded and goes on unchanged.

    Attributes:
        kind: the interaction's type.
        recorded: whether it has been handed to the exporter.
    """

    def __init__(self, kind: Kind, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        self.kind = kind
        self.recorded = False
        self._name = name
        self._attributes: dict[str, AttributeValue] = {}
        self._recorder: Recorder | None = None
        self._session: Session | None = None
        self._span: Span = INVALID_SPAN
        self._started_ns = 0
        self._started = False
        self._ended = False
        self._failure: Failure | None = None
        self._entered: list[Active] = []
        if attributes:
            with guard:
                self._attributes = as_attributes(attributes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r} span_id={self.span_id}>"

    @property
    def trace_id(self) -> str:
        """The id of its trace, 32 hex digits; zeros before its start and where nothing is recorded."""
        return format_trace_id(self._span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """The id of its span, 16 hex digits; zeros before its start and where nothing is recorded."""
        return format_span_id(self._span.get_span_context().span_id)

    def start(self) -> Self:
        """Begin now, without becoming current; `with` does this."""
        self._start(None)
        return self

    def end(self) -> None:
        """End now and hand it to the exporter; `with` does this. What comes later is without effect."""
        self._end()

    def fail(self, error: BaseException | str) -> None:
        """Record that it failed; it still has to end."""
        with guard:
            if isinstance(error, BaseException):
                self._failure = of_exception(error)
            else:
                self._failure = Failure(type="_OTHER", message=clean(str(error)), stack="")

    def set_attribute(self, name: str, value: Any) -> None:
        """Set one attribute of the application's own; values OTLP cannot carry become JSON text or their repr."""
        self._put({name: value})

    def __enter__(self) -> Self:
        self.start()
        active = self.active()
        active.__enter__()
        self._entered.append(active)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            self._entered.pop().__exit__(None, None, None)
        self.leave(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    # The scope of `decorators.wrap`.

    def enter(self) -> None:
        """Begin."""
        self.start()

    def active(self) -> Active:
        """Return a `with` block that makes this interaction the parent of what is recorded inside."""
        context = get_current()
        if self._recorder is not None and self._span.get_span_context().is_valid:
            context = set_span_in_context(self._span, context)
        return Active(context)

    def yielded(self, item: Any) -> None:
        """Hear one value of a generator."""

    def returned(self, value: Any) -> Any:
        """Hear the value returned, and end."""
        self.leave(None)
        return value

    def leave(self, error: BaseException | None) -> None:
        """End; record `error` if it is an `Exception`. A cancelled task or an abandoned generator is no failure."""
        if isinstance(error, Exception):
            self.fail(error)
        self.end()

    # How it is recorded.

    @property
    def _captures(self) -> bool:
        """Whether texts, arguments and results are recorded."""
        return self._recorder is not None and self._recorder.capture_content

    def _now(self) -> int:
        """Return nanoseconds since 1970 on the recorder's clock; 0 where nothing is recorded."""
        recorder = self._recorder or installed()
        return 0 if recorder is None else recorder.clock()

    @guard
    def _put(self, values: Mapping[str, Any]) -> None:
        """Set attributes from whatever the application gave."""
        for name, value in values.items():
            attribute = as_attribute(value)
            if attribute is not None and name:
                self._attributes[clean(str(name))] = attribute

    @guard
    def _start(self, start_ns: int | None) -> None:
        if self._started:
            return
        self._started = True
        recorder = recorder_for(self.kind)
        if recorder is None:
            return
        context, links, session = place(recorder, self.kind)
        if recorder.refusal(self.kind, self._attributes, None if session is None else session.recorded_id):
            return
        self._session, self._recorder = session, recorder
        self._started_ns = start_ns or recorder.clock()
        self._span = recorder.start(self.kind, self._name, context=context, links=links, start_ns=self._started_ns)

    @guard
    def _end(self) -> None:
        if self._ended or not self._started:
            return
        self._ended = True
        recorder = self._recorder
        if recorder is None:
            return
        if installed() is not recorder:
            refuse(self.kind, AFTER_SHUTDOWN)
            return
        session, end_ns = self._session, max(recorder.clock(), self._started_ns)
        self._finishing(end_ns)
        self.recorded = recorder.finish(
            self.kind, self._span, self._attributes, person=session, failure=self._failure, end_ns=end_ns
        )
        if session is not None:
            session.heard_ns = end_ns

    def _finishing(self, end_ns: int) -> None:
        """Set the attributes only known at the end."""


class Off(Recording):
    """What takes the place of an interaction while nothing is recorded: it does nothing, and costs next to nothing."""

    recorded = False
    _span = INVALID_SPAN
    _recorder = None
    _entered: list[Active] = []  # noqa: RUF012  never added to

    def __init__(self, kind: Kind, *given: Any) -> None:
        self.kind = kind
        self._name = kind
        self._given = given

    def start(self) -> Self:
        """Count what is not recorded."""
        is_off(self.kind)
        return self

    def __enter__(self) -> Self:
        is_off(self.kind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing has begun."""

    def end(self) -> None:
        """Nothing has begun."""

    def fail(self, error: BaseException | str) -> None:
        """Nothing is kept."""

    def _put(self, values: Mapping[str, Any]) -> None:
        """Nothing is kept."""

    def _start(self, start_ns: int | None) -> None:  # noqa: ARG002  nothing begins
        is_off(self.kind)


NOTHING = Off("event")
"""What is returned in place of what has no duration."""


def record(
    kind: Kind,
    fields: Mapping[str, Any],
    *,
    ready: Mapping[str, AttributeValue] | None = None,
    attributes: Mapping[str, Any] | None = None,
    detail: str = "",
    failure: Failure | None = None,
) -> Recording:
    """Record an interaction that has no duration.

    Args:
        kind: its type.
        fields: its attributes by their names on the wire, as the application gave them; None means absent.
        ready: attributes that are clean and bounded already, as JSON must be that would not parse once cut.
        attributes: those of the application's own.
        detail: goes into the span's name after the type; must have few different values.
        failure: what went wrong, if it is about that.
    """
    recording = Recording(kind, span_name(kind, detail), attributes)
    recording._failure = failure  # noqa: SLF001  one module
    if fields:
        recording._put(fields)  # noqa: SLF001
    if ready:
        recording._attributes |= ready  # noqa: SLF001
    recording.start().end()
    return recording


def span_name(kind: Kind, detail: str) -> str:
    """Return the name of a span: the type, and a detail where it is short."""
    return _named(kind, detail) if isinstance(detail, str) and 0 < len(detail) <= MAX_DETAIL else kind


@lru_cache(1024)
def _named(kind: Kind, detail: str) -> str:
    short = " ".join(clean(detail).split())
    return f"{kind} {short}" if short else kind


def message(
    role: str, text: str, *, capture: bool, length: int | None = None, finish_reason: str | None = None
) -> dict[str, AttributeValue]:
    """Return the attributes of one message of a conversation: its JSON in OpenTelemetry's form, and its length."""
    fields: dict[str, AttributeValue] = {names.TEXT_LENGTH: len(text) if length is None else length}
    if capture:
        where = names.GEN_AI_OUTPUT_MESSAGES if role == "assistant" else names.GEN_AI_INPUT_MESSAGES
        fields[where] = as_message(role, text, finish_reason=finish_reason)
    return fields


def as_message(role: str, text: str, *, finish_reason: str | None = None) -> str:
    """Return one message of a conversation as JSON in OpenTelemetry's form."""
    content = encode_basestring(clean(text))
    reason = "" if finish_reason is None else f',"finish_reason":{encode_basestring(as_text(finish_reason))}'
    return f'[{{"role":"{role}","parts":[{{"type":"text","content":{content}}}]{reason}}}]'


MAX_DETAIL = 64
