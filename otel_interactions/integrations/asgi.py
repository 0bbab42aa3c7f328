"""HTTP requests and WebSockets of an ASGI application (FastAPI, Starlette, ...) run inside the session they belong to.

    app.add_middleware(SessionMiddleware, trusted_proxies=["10.0.0.0/8"], exclude=["/health", "/static"])

A request names its session by header, cookie, query string or W3C baggage. One that names none begins a session and
gets a cookie. What is recorded while it is answered (in handlers, streamed bodies, background tasks, threads) is that
session's. `otel_interactions.current_session()` is at hand everywhere below.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias, TypeVar

from opentelemetry.context import Context, get_current
from opentelemetry.trace import NonRecordingSpan, get_current_span, set_span_in_context

from otel_interactions import conventions as names
from otel_interactions.decorators import Active
from otel_interactions.guard import guard
from otel_interactions.integrations.forwarded import Proxies
from otel_interactions.integrations.web import Cookie, Headers, IdSources, brought
from otel_interactions.interactions import error as record_error
from otel_interactions.log import say_once
from otel_interactions.recorder import current_privacy, installed
from otel_interactions.session import Session, resume, session
from otel_interactions.values import AttributeValue, clean

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")
Asked: TypeAlias = Callable[[Scope], T | None] | Callable[[Scope], Awaitable[T | None]]

IN_SCOPE: Final = "otel_interactions.session"
"""The key of the scope under which an application further inside finds that its session is taken care of."""
SEEN_SECONDS: Final = 1800.0  # the collector's idle time: a session silent for longer reads as abandoned
MOST_SEEN: Final = 10_000  # ids kept in mind, some 2 MB

_USER_AGENT_BYTES: Final = 1024
_DISCONNECTS: Final = frozenset({"ClientDisconnect", "ClientDisconnected", "WebSocketDisconnect"})
"""How Starlette and uvicorn call what they raise once the client has gone."""


class SessionMiddleware:
    """Pure ASGI: nothing is buffered, and an application's exceptions pass as they are.

    A session begun by a request goes on with the next one and has no end, unless there will be no next one, because no
    cookie could be set: then it ends with the request. One that a WebSocket began or joined ends when that is closed,
    with the reason `disconnect` if the client has gone, `completed` if the application closed it, `error` if it failed.
    An exception in a session that goes on is an `error` in it.

    An id that comes from a client is a name, not a proof of who that is; one that is too long or odd is not taken.
    Never name the cookie of your login here: what is in it is recorded.

    Args:
        app: the ASGI application.
        header: the header with the session's id; looked at first. None for none, as with the next two.
        cookie: the name of the cookie with the id.
        query: the field of the query string with the id, for WebSockets of browsers, which cannot set headers.
        baggage: whether `session.id` in W3C baggage counts, which other services send (`configure(propagate=...)`).
        set_cookie: whether a session begun here gets a cookie, which lets the next request go on with it. Nobody gets
            one who has not agreed to be known, where consent is asked for.
        cookie_max_age: seconds until the browser forgets it, from the start of the session; None for when it is closed.
        cookie_secure: whether the cookie goes over TLS only; None for as the request came.
        trusted_proxies: addresses and networks (`10.0.0.0/8`, `unix`) of the proxies that say who the client is.
        forwarded_header: the header in which they do: `x-forwarded-for`, `forwarded` or another one with addresses.
        user_id: a function, async or not, that gives the user's id for a scope, or None.
        consent: likewise, whether the user agreed to be known, None where nobody asked.
        mode: `text` or `voice`, of the sessions that begin here.
        exclude: paths, with all below them, or a function of the scope: requests that are no part of a session.
    """

    def __init__(
        self,
        app: App,
        *,
        header: str | None = "x-session-id",
        cookie: str | None = "session_id",
        query: str | None = "session_id",
        baggage: bool = True,
        set_cookie: bool = True,
        cookie_max_age: int | None = None,
        cookie_secure: bool | None = None,
        trusted_proxies: Iterable[str] = (),
        forwarded_header: str = "x-forwarded-for",
        user_id: Asked[str] | None = None,
        consent: Asked[bool] | None = None,
        mode: str | None = "text",
        exclude: Iterable[str] | Callable[[Scope], bool] = (),
    ) -> None:
        self.app = app
        self._sources = IdSources(None if header is None else header.lower(), cookie, query, baggage)
        self._cookie = Cookie(cookie, cookie_max_age, cookie_secure) if cookie is not None and set_cookie else None
        self._proxies = Proxies(trusted_proxies, forwarded_header)
        self._user_id, self._consent, self._mode = user_id, consent, mode
        self._excludes = exclude if callable(exclude) else _below(exclude)
        self._seen = _Seen()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request, connection, or its lifespan."""
        visit = None
        if self._concerns(scope):
            user_id = await _asked("user_id", self._user_id, scope, otherwise=None)
            consent = await _asked("consent", self._consent, scope, otherwise=False)
            with guard:
                visit = self._visit(scope, user_id, consent)
        if visit is None:
            await self.app(scope, receive, send)
        else:
            await visit.run(self.app, receive, send)

    def _concerns(self, scope: Scope) -> bool:
        if scope["type"] not in {"http", "websocket"} or IN_SCOPE in scope or _is_preflight(scope):
            return False
        try:
            return not self._excludes(scope)
        except Exception as error:  # noqa: BLE001  the application's own function
            say_once("exclude", logging.ERROR, "exclude=... failed, so nothing is excluded: %r", error)
            return True

    def _visit(self, scope: Scope, user_id: str | None, consent: bool | None) -> _Visit:
        """Return one request or connection with the session it names, or with a new one."""
        headers = Headers(scope.get("headers") or ())
        caller = brought(headers)
        named = self._sources.find(headers, scope.get("query_string") or b"", caller)
        about = self._client(scope, headers)
        if named is None:
            found = session(user_id=user_id, consent=consent, mode=self._mode, attributes=about, end=False)
        else:
            found = resume(named, user_id=user_id, consent=consent, attributes=about, end=False)
        kind = _Request if scope["type"] == "http" else _Connection
        return kind(scope, found, known=named is not None, caller=caller, cookie=self._cookie, seen=self._seen)

    def _client(self, scope: Scope, headers: Headers) -> dict[str, AttributeValue]:
        """Return who the client is, as attributes of the session's start."""
        peer = scope.get("client")
        address = self._proxies.client(peer[0] if peer else None, headers.all(self._proxies.header))
        agent = headers.first("user-agent")
        about: dict[str, AttributeValue] = {}
        if address is not None:
            about[names.CLIENT_ADDRESS] = address
        if agent is not None:
            about[names.USER_AGENT] = clean(agent, _USER_AGENT_BYTES)
        return about


class _Visit(ABC):
    """One request or connection, run inside its session."""

    def __init__(
        self, scope: Scope, session: Session, *, known: bool, caller: Context, cookie: Cookie | None, seen: _Seen
    ) -> None:
        self._scope, self._session, self._known = scope, session, known
        self._seen = seen
        self._cookie = None if known or not _may_keep(session) else cookie
        self._kept = known  # whether it can go on after this
        self._outside = get_current()
        self._around = _called_by(caller, self._outside)
        self._gone = False
        self._broken: OSError | None = None

    async def run(self, app: App, receive: Receive, send: Send) -> None:
        """Run the application; the server's own code runs outside the session.

        A server may start its next task or its next read inside `receive` or `send`. With the session current, these
        would inherit it, and so would the next request on that connection, whosever it is.
        """

        async def hear() -> Message:
            with Active(self._outside):
                message = await receive()
            self._heard(message)
            return message

        async def say(message: Message) -> None:
            message = self._saying(message) or message
            try:
                with Active(self._outside):
                    await send(message)
            except OSError as error:  # so ASGI has it once the client has gone
                self._gone, self._broken = True, error
                raise

        self._scope[IN_SCOPE] = self._session
        with Active(self._around):
            self._begin()
            try:
                with self._session.active():
                    await app(self._scope, hear, say)
            except BaseException as error:
                self._over(error)
                raise
            else:
                self._over(None)
            finally:
                self._scope.pop(IN_SCOPE, None)

    @abstractmethod
    def _begin(self) -> None:
        """Hear that the application is about to be called."""

    @abstractmethod
    def _heard(self, message: Message) -> None:
        """Hear what the server said."""

    @abstractmethod
    def _saying(self, message: Message) -> Message | None:
        """Hear what the application is about to say; return what is said instead, None for the same."""

    @abstractmethod
    def _over(self, error: BaseException | None) -> None:
        """Hear that the application has returned, or raised."""

    def _with_cookie(self, message: Message) -> Message:
        """Return a response's start with the cookie of a session that may go on."""
        headers = list(message.get("headers") or ())
        if self._cookie is None or not self._cookie.fits(Headers(headers)):
            return message
        cookie = self._cookie.header(self._session.id, tls=self._scope.get("scheme") in {"https", "wss"})
        self._kept = True
        return {**message, "headers": [*headers, cookie]}

    def _failure(self, error: BaseException | None) -> Exception | None:
        """Return what went wrong; that the client has gone is nothing of the kind."""
        return error if isinstance(error, Exception) and not self._is_disconnect(error) else None

    def _is_disconnect(self, error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            return all(self._is_disconnect(each) for each in error.exceptions)
        return error is self._broken or any(each.__name__ in _DISCONNECTS for each in type(error).__mro__)

    def _end(self, error: BaseException | None, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        failure = self._failure(error)
        self._session.end(self._reason(error, failure), error=failure, attributes=attributes)

    def _reason(self, error: BaseException | None, failure: Exception | None) -> str:
        if failure is not None:
            return "error"
        if self._gone:
            return "disconnect"
        if error is None or isinstance(error, Exception):
            return "completed"
        return "cancelled" if isinstance(error, asyncio.CancelledError) else "interrupted"

    def _leave(self, error: BaseException | None) -> None:
        """Have the session go on without us; an exception is on record in it."""
        failure = self._failure(error)
        if failure is not None:
            where = {name: self._scope.get(key) for name, key in _WHERE.items()}
            with self._session.active():
                record_error(failure, source="server", attributes=where)
        self._session.__exit__(None, None, None)


_BODIES: Final = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})
_WHERE: Final = {names.HTTP_REQUEST_METHOD: "method", names.URL_PATH: "path"}


class _Request(_Visit):
    """An HTTP request."""

    _answered = False

    @guard
    def _begin(self) -> None:
        if not self._known or self._seen.is_news(self._session):
            self._session.start()

    def _heard(self, message: Message) -> None:
        if message["type"] == "http.disconnect" and not self._answered:
            self._gone = True

    @guard
    def _saying(self, message: Message) -> Message | None:
        if message["type"] == "http.response.start":
            message = self._with_cookie(message)
            if self._kept and not self._known:
                self._seen.is_news(self._session)  # the next request may come before this one is over
            return message
        if message["type"] in _BODIES and not message.get("more_body", False):
            self._answered = True  # the server says `http.disconnect` from now on, whether the client has gone or not
        return None

    @guard
    def _over(self, error: BaseException | None) -> None:
        if self._kept:
            self._leave(error)
        else:
            self._end(error)


class _Connection(_Visit):
    """A WebSocket. Its session begins once the application accepts it: one that is turned away has none."""

    _accepted = False
    _closed = False
    _code: int | None = None

    def _begin(self) -> None:
        """Wait for the application to accept."""

    def _heard(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect" and not self._closed:
            self._gone, self._code = True, message.get("code")

    @guard
    def _saying(self, message: Message) -> Message | None:
        if message["type"] == "websocket.accept":
            self._accepted = True
            self._session.start()
            self._seen.opened(self._session)
            return self._with_cookie(message)
        if message["type"] == "websocket.close" and not self._gone:
            self._closed, self._code = True, message.get("code", 1000)
        return None

    @guard
    def _over(self, error: BaseException | None) -> None:
        if not self._accepted:
            self._turned_away(error)
        elif self._seen.closed(self._session):
            self._end(error, None if self._code is None else {names.SESSION_CLOSE_CODE: self._code})
        else:
            self._leave(error)

    def _turned_away(self, error: BaseException | None) -> None:
        """Have an exception on record that came before the application accepted."""
        if self._failure(error) is None:
            return
        if self._known:
            self._leave(error)
        else:
            self._session.start()
            self._end(error)


class _Seen:
    """The sessions this process has told of lately, so that not every request tells anew, and who is connected.

    Kept by the recorded id: a user who agrees to be known in the middle is another session from there.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}  # in the order of the last request
        self._connections: Counter[str] = Counter()

    def is_news(self, session: Session) -> bool:
        """Note a request; return whether its session has to be told of, as one that goes on here."""
        if installed() is None:
            return True
        now = time.monotonic()
        last = self._last.pop(session.recorded_id, None)
        self._last[session.recorded_id] = now
        if len(self._last) > MOST_SEEN:
            del self._last[next(iter(self._last))]
        return last is None or now - last > SEEN_SECONDS

    def opened(self, session: Session) -> None:
        """Note a WebSocket that has told of its session."""
        self.is_news(session)
        self._connections[session.recorded_id] += 1

    def closed(self, session: Session) -> bool:
        """Note its end; return whether it was the session's last, so that it ends: the next request tells anew."""
        self._connections[session.recorded_id] -= 1
        if self._connections[session.recorded_id] > 0:
            return False
        del self._connections[session.recorded_id]
        self._last.pop(session.recorded_id, None)
        return True


async def _asked(name: str, function: Asked[T] | None, scope: Scope, *, otherwise: T | None) -> T | None:
    """Return what a function of the application's says of a request; where it fails, say so, and `otherwise`."""
    if function is None:
        return None
    try:
        found = function(scope)
        return await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001  the application's own function
        say_once(("asked", name), logging.ERROR, "%s=... failed, taken as %r: %r", name, otherwise, error)
        return otherwise


def _may_keep(session: Session) -> bool:
    """Tell whether a browser may be asked to keep a session's id: not that of one who has to agree first."""
    privacy = current_privacy()
    if installed() is None or session.consent is False:
        return False
    return privacy.everybody or not privacy.is_anonymous(session)


def _called_by(caller: Context, here: Context) -> Context:
    """Return the Context around a session: with the caller's span, unless this request has a span already.

    So what is recorded is linked to the caller's trace or, where the caller is in the same session, below its span.
    """
    span = get_current_span(caller).get_span_context()
    if get_current_span(here).get_span_context().is_valid or not (span.is_valid and span.trace_flags.sampled):
        return here
    return set_span_in_context(NonRecordingSpan(span), here)


def _is_preflight(scope: Scope) -> bool:
    """Tell whether a browser asks what it may ask: such a request never has a cookie."""
    return scope.get("method") == "OPTIONS" and any(
        name.lower() == b"access-control-request-method" for name, _ in scope.get("headers") or ()
    )


def _below(paths: Iterable[str]) -> Callable[[Scope], bool]:
    """Return what tells whether a request's path is one of these, or below one."""
    given = (paths,) if isinstance(paths, str) else tuple(paths)
    exact = frozenset(path.rstrip("/") for path in given)
    prefixes = tuple(f"{path}/" for path in exact if path)  # "/" is that page, not everything

    def excludes(scope: Scope) -> bool:
        path = scope.get("path", "")
        return path.rstrip("/") in exact or path.startswith(prefixes)

    return excludes
