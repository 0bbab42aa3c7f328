"""A session is a trace: its start, its end, and the current one, which follows the OpenTelemetry Context."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from opentelemetry.context import Context, create_key, get_current, set_value
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)

from otel_interactions import conventions as names
from otel_interactions.baggage import carried
from otel_interactions.conventions import Kind
from otel_interactions.decorators import Active, wrap
from otel_interactions.failures import Failure, of_exception
from otel_interactions.guard import guard
from otel_interactions.ids import new_id, root_ids, session_ids
from otel_interactions.privacy.policy import Privacy
from otel_interactions.recorder import Recorder, current_privacy, installed, recorder_for
from otel_interactions.values import AttributeValue, as_attributes, as_json, as_text

F = TypeVar("F", bound=Callable[..., Any])
IdSource = str | Callable[..., str] | None

_SESSION = create_key("otel-interactions-session")
_FOREIGN = create_key("otel-interactions-foreign-span")


class Session:
    """One session. Made by `session()` or `resume()`; use it as `with`, `async with` or decorator.

    Attributes:
        id: the session's id.
        trace_id: the id of its trace, 32 hex digits; it follows from `id` alone.
        root_span_id: the id of its first span, 16 hex digits; it follows from `id` alone.
        user_id: who the user is; may be set later, after a login, and is then on every span from there on.
        consent: whether the user agreed to be known, None where nobody asked; may be set later, and holds from there.
        recorded_id: the id under which it is recorded: `id`, or a hash of it where the session began anonymously.
        heard_ns: when something happened in it last in this process, in nanoseconds since 1970.
        model: the model that answers, unless an answer names its own.
    """

    def __init__(self, id: IdSource = None, *, fields: SessionFields) -> None:  # noqa: A002  the word of the contract
        self._given_id = id
        self._fields = fields
        self.id = _clean_id(None if callable(id) else id)
        self.user_id = fields.user_id
        self.consent = fields.consent
        self.model = fields.model
        self.heard_ns = 0
        self._user: tuple[object, ...] = ()
        self._identify(current_privacy())
        self._root: tuple[Recorder | None, SpanContext] | None = None
        self._entered: list[Active] = []
        self._started_ns: int | None = None
        self._open = False

    def __repr__(self) -> str:
        return f"<Session {self.id!r} trace_id={self.trace_id}>"

    # The life of a session, step by step.

    def start(self) -> Session:
        """Record `session_start`; it is sent at once. The session does not become current: see `active()`.

        A session started a second time is resumed: its trace has one root.
        """
        with guard:
            self._start()
        return self

    def end(
        self,
        reason: str = "completed",
        *,
        error: BaseException | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Record `session_end`; without effect unless the session has been started and not ended.

        Args:
            reason: why it ended, in the application's words.
            error: what it failed with, if it did.
            attributes: more attributes of `session_end`.
        """
        self._end(reason, None if error is None else of_exception(error), attributes)

    def active(self) -> Active:
        """Return a `with` block that makes the session current without starting or ending it."""
        return Active(self._context())

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
        self._leave(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Decorate a function of any kind: each call runs in a session of its own."""
        return wrap(function, self._open_for_call)

    # How it is recorded.

    def _identify(self, privacy: Privacy) -> None:
        """Have the ids that follow from who may be known."""
        self.recorded_id = privacy.pseudonym(self.id) if privacy.is_anonymous(self) else self.id
        self.trace_number, self._root_span = session_ids(self.recorded_id)
        self.trace_id = format_trace_id(self.trace_number)
        self.root_span_id = format_span_id(self._root_span)

    def _settle(self, recorder: Recorder) -> None:
        """Have the ids that follow from what is known by now, until anything is recorded under them."""
        privacy = recorder.privacy
        if self._started_ns is None and self._root is None:
            wanted = privacy.pseudonym(self.id) if privacy.is_anonymous(self) else self.id
            if wanted != self.recorded_id:
                self._identify(privacy)

    def marks(self) -> dict[str, AttributeValue]:
        """Return the attributes that are on every span started in this session."""
        found: dict[str, AttributeValue] = {names.SESSION_ID: self.recorded_id}
        privacy = current_privacy()
        hidden = privacy.is_anonymous(self)
        if hidden:
            found[names.ANONYMOUS] = True
        if self.user_id is not None:
            if self._user[:3] != (self.user_id, hidden, privacy.key):
                text = as_text(self.user_id)
                self._user = self.user_id, hidden, privacy.key, privacy.pseudonym(text) if hidden else text
            found[names.USER_ID] = str(self._user[3])
        return found

    def _open_for_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        given = self._given_id
        if callable(given):
            chosen = None
            try:
                chosen = given(*args, **kwargs)
            except Exception:
                logging.getLogger("otel_interactions").warning("session(id=...) failed; using a new id", exc_info=True)
            given = chosen
        return _Call(Session(given, fields=self._fields))

    def _start(self) -> None:
        kind: Kind = "session_start"
        resumed = self._fields.resumed or self._started_ns is not None
        self._open = True
        recorder = recorder_for(kind)
        if recorder is None:
            return
        self._settle(recorder)
        now = self._started_ns = self.heard_ns = recorder.clock()
        attributes = self._fields.attributes(self)
        links = [Link(span) for span in foreign_spans(self.trace_number, get_current())]
        if resumed:
            attributes[names.SESSION_RESUMED] = True
            context = self.root_context()
            span = recorder.start(kind, kind, context=context, links=links, start_ns=now)
        else:
            links += self._previous(recorder)
            context = set_value(_SESSION, self, Context())
            with root_ids(self.trace_number, self._root_span):
                span = recorder.start(kind, kind, context=context, links=links, start_ns=now)
            self._root = recorder, span.get_span_context()
        recorder.finish(kind, span, attributes, person=self, failure=None, end_ns=recorder.clock())
        if recorder.heart is not None:
            recorder.heart.watch(self)

    def _previous(self, recorder: Recorder) -> list[Link]:
        """Return a link to the root of the session this one continues."""
        previous = self._fields.previous_id
        if previous is None:
            return []
        name = as_text(previous)
        if recorder.privacy.is_anonymous(self):
            name = recorder.privacy.pseudonym(name)
        return [Link(recorder.root(*session_ids(name), remote=True), {names.SESSION_ID: name})]

    @guard
    def _end(self, reason: str, failure: Failure | None, extra: Mapping[str, Any] | None = None) -> None:
        kind: Kind = "session_end"
        if not self._open:
            return
        self._open = False
        recorder = recorder_for(kind)
        if recorder is None:
            return
        self._rest(recorder)
        now = recorder.clock()
        attributes = as_attributes(extra) | {names.SESSION_END_REASON: as_text(reason)}
        if self._started_ns is not None:
            attributes[names.DURATION_MS] = max(0, now - self._started_ns) / 1e6
        foreign = [Link(span) for span in foreign_spans(self.trace_number, get_current())]
        span = recorder.start(kind, kind, context=self.root_context(), links=foreign, start_ns=now)
        recorder.finish(kind, span, attributes, person=self, failure=failure, end_ns=recorder.clock())

    def _rest(self, recorder: Recorder | None) -> None:
        """Have nobody say any more that it is open."""
        if recorder is not None and recorder.heart is not None:
            recorder.heart.forget(self)

    @guard
    def _leave(self, error: BaseException | None) -> None:
        if not self._fields.end:
            self._rest(installed())
            return
        if error is None or isinstance(error, GeneratorExit):
            self._end("completed" if error is None else "abandoned", None)
        elif isinstance(error, Exception):
            self._end("error", of_exception(error))
        else:
            self._end("cancelled" if isinstance(error, asyncio.CancelledError) else "interrupted", None)

    def _context(self) -> Context:
        """Return the current Context with this session in it, its root as the current span."""
        context = get_current()
        with guard:
            recorder = installed()
            if recorder is not None:
                self._settle(recorder)
            foreign = foreign_spans(self.trace_number, context)
            inside = set_value(_FOREIGN, foreign, set_value(_SESSION, self, context))
            root = self._root_span_context()
            span = get_current_span(context).get_span_context()
            if root is not None and span.trace_id != self.trace_number:
                inside = set_span_in_context(NonRecordingSpan(root), inside)
            return carried(self.marks(), recorder, inside)
        return context

    def root_context(self, context: Context | None = None) -> Context:
        """Return a Context, the current one unless given, with the session's root as the parent of what is started."""
        context = set_value(_SESSION, self, context)
        root = self._root_span_context()
        return context if root is None else set_span_in_context(NonRecordingSpan(root), context)

    def _root_span_context(self) -> SpanContext | None:
        """Return the root as a parent; None while nothing is recorded, so that nobody joins a trace never sent."""
        recorder = installed()
        if recorder is None:
            return None
        if self._root is None or self._root[0] is not recorder:
            self._root = recorder, recorder.root(self.trace_number, self._root_span, remote=self._fields.resumed)
        return self._root[1]


class SessionFields:
    """What a session says of itself in its `session_start`."""

    def __init__(
        self,
        *,
        user_id: str | None,
        consent: bool | None,
        model: str | None,
        mode: str | None,
        voice: str | None,
        client: Mapping[str, Any] | str | None,
        previous_id: str | None,
        attributes: Mapping[str, Any] | None,
        end: bool,
        resumed: bool,
    ) -> None:
        self.user_id, self.consent = user_id, consent
        self.model, self.mode, self.voice = model, mode, voice
        self.client, self.previous_id, self.extra = client, previous_id, attributes
        self.end, self.resumed = end, resumed

    def attributes(self, session: Session) -> dict[str, AttributeValue]:
        """Return the attributes of `session_start`."""
        given = {
            names.GEN_AI_REQUEST_MODEL: session.model,
            names.SESSION_MODE: self.mode,
            names.SESSION_VOICE: self.voice,
            names.SESSION_PREVIOUS_ID: self.previous_id,
        }
        attributes = as_attributes(self.extra)
        attributes |= {name: as_text(value) for name, value in given.items() if value is not None}
        if self.client is not None:
            attributes[names.SESSION_CLIENT] = as_json(self.client)
        return attributes


class _Call:
    """One call of a function decorated with a session: the scope of `decorators.wrap`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def enter(self) -> None:
        self._session.start()

    def active(self) -> Active:
        return self._session.active()

    def yielded(self, item: Any) -> None:
        """Values of a generator are no concern of its session."""

    def returned(self, value: Any) -> Any:
        self._session._leave(None)  # noqa: SLF001  one class in two halves
        return value

    def leave(self, error: BaseException | None) -> None:
        self._session._leave(error)  # noqa: SLF001


def session(
    id: IdSource = None,  # noqa: A002  the word of the contract
    *,
    user_id: str | None = None,
    consent: bool | None = None,
    model: str | None = None,
    mode: str | None = "text",
    voice: str | None = None,
    client: Mapping[str, Any] | str | None = None,
    previous_id: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    end: bool = True,
) -> Session:
    """Return a new session, to be used as `with`, `async with` or decorator, or by `start()` and `end()`.

    Args:
        id: the session's id; for a decorator also a function of the call's arguments. A new one unless given.
        user_id: who the user is.
        consent: whether the user agreed to be known; without it the session is anonymous. None leaves that to the
            settings `consent`, `require_consent` and `anonymous`.
        model: the model that answers.
        mode: `text` or `voice`.
        voice: the name of the voice that speaks.
        client: what the client says of itself: browser, app version.
        previous_id: the session this one continues.
        attributes: more attributes of `session_start`.
        end: whether leaving the block ends the session; False where another process goes on with it.
    """
    fields = SessionFields(
        user_id=user_id,
        consent=consent,
        model=model,
        mode=mode,
        voice=voice,
        client=client,
        previous_id=previous_id,
        attributes=attributes,
        end=end,
        resumed=False,
    )
    return Session(id, fields=fields)


def resume(
    id: str | Callable[..., str],  # noqa: A002  the word of the contract
    *,
    user_id: str | None = None,
    consent: bool | None = None,
    model: str | None = None,
    mode: str | None = None,
    voice: str | None = None,
    client: Mapping[str, Any] | str | None = None,
    attributes: Mapping[str, Any] | None = None,
    end: bool = True,
) -> Session:
    """Return a session that was started before, here or in another process: it stays one trace.

    Args:
        id: the id of the session; for a decorator also a function of the call's arguments.
        user_id: who the user is; the spans of this process carry it only if it is given here too.
        consent: whether the user agreed to be known; an anonymous session is found again only by the same `hash_key`.
        model: the model that answers.
        mode: `text` or `voice`, if it changed.
        voice: the name of the voice, if it changed.
        client: what the client says of itself, if it changed.
        attributes: more attributes of the resumed `session_start`.
        end: whether leaving the block ends the session; False in a worker or request that only adds to it.
    """
    fields = SessionFields(
        user_id=user_id,
        consent=consent,
        model=model,
        mode=mode,
        voice=voice,
        client=client,
        previous_id=None,
        attributes=attributes,
        end=end,
        resumed=True,
    )
    return Session(id, fields=fields)


def current_session(context: Context | None = None) -> Session | None:
    """Return the session of the current thread or task, or None outside any.

    Args:
        context: an OpenTelemetry Context to look in instead of the current one.
    """
    found = (get_current() if context is None else context).get(_SESSION)
    return found if isinstance(found, Session) else None


def foreign_spans(trace_id: int, context: Context) -> tuple[SpanContext, ...]:
    """Return the spans of other traces that are current in `context`, or were where its session was entered."""
    span = get_current_span(context).get_span_context()
    before = context.get(_FOREIGN)
    known: tuple[SpanContext, ...] = before if isinstance(before, tuple) else ()
    if known:
        known = tuple(other for other in known if other.trace_id != trace_id)
    if span.is_valid and span.trace_id != trace_id and span not in known:
        known = (*known, span)
    return known


def _clean_id(given: object) -> str:
    """Return a usable session id: the given one as text, or a new one."""
    recorder = installed()
    text = as_text(given) if given is not None else ""
    if text.strip():
        return text
    return new_id("session") if recorder is None else recorder.new_id("session")
