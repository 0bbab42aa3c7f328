"""What is said over OpenAI's Realtime API becomes interactions.

    async with record(client.realtime.connect(model="gpt-realtime"), user_id="u-1") as connection:
        await connection.session.update(session={...})
        async for event in connection:
            ...

The connection is the client's own, with four of its methods listened to: what passes through them is unchanged, and so
is what they raise. Sound is counted, never kept.

- The session, unless one is current already: then all this is part of that one. It ends with the connection.
- A `generation` for each response, from the request to `response.done`: its text, tokens, tool calls, time to the first
  delta, and why it ended: `stop`, `tool_call`, `length`, `content_filter`, `interrupted` (the user began to speak),
  `cancelled`, `abandoned` (the application stopped listening).
- An `audio_output` below it for what was spoken, an `audio_input` for each turn of the user's; both with transcripts.
- A `user_message` for each text sent, a `tool_call` from the function call to the output sent for it.
- An `event` of the category `calls` for `barge-in`, `truncated` (how much the user heard), `disconnected`.
- An `error` for each error the server tells of. A response or a transcription that failed is failed itself instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from otel_interactions.decorators import Active
from otel_interactions.guard import guard
from otel_interactions.integrations.openai_realtime_listener import Listener
from otel_interactions.integrations.openai_realtime_parts import parsed
from otel_interactions.session import Session, current_session, session

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import (
        AsyncRealtimeConnection,
        AsyncRealtimeConnectionManager,
        RealtimeConnection,
        RealtimeConnectionManager,
    )


class Given(TypedDict, total=False):
    """What `record()` takes for the session it starts; the fields are those of `session()`."""

    id: str | None
    user_id: str | None
    consent: bool | None
    client: Mapping[str, Any] | str | None
    previous_id: str | None
    attributes: Mapping[str, Any] | None


@overload
def record(
    manager: AsyncRealtimeConnectionManager, *, tools: bool = True, **given: Unpack[Given]
) -> AsyncRecordedRealtime: ...
@overload
def record(manager: RealtimeConnectionManager, *, tools: bool = True, **given: Unpack[Given]) -> RecordedRealtime: ...


def record(manager: Any, *, tools: bool = True, **given: Unpack[Given]) -> Any:
    """Return `client.realtime.connect(...)` with its connection recorded, to be used in its place.

    Args:
        manager: what `connect()` of an `OpenAI` or `AsyncOpenAI` client returned.
        tools: whether function calls are recorded; False where the functions themselves are, by `@tool_call`.
        given: what the new session says of itself: `id`, `user_id`, `consent`, `client`, `previous_id`, `attributes`,
            as in `session()`; of no effect where a session is current already.
    """
    kind = AsyncRecordedRealtime if hasattr(manager, "__aenter__") else RecordedRealtime
    return kind(manager, session(mode=None, **given), tools=tools)


class _Recorded:
    """A connection manager whose connection is listened to; all else is the manager's own."""

    def __init__(self, manager: Any, own: Session, *, tools: bool) -> None:
        self._manager, self._own, self._tools = manager, own, tools
        self._queued: list[Any] = []
        self._listener: Listener | None = None
        self._active: list[Active] = []

    def send(self, event: Any) -> None:
        """Queue an event that is sent once the connection is there, as the manager's own `send` does."""
        self._manager.send(event)
        self._queued.append(event)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._manager, name)
        return functools.partial(self._chained, found) if name in {"on", "off", "once"} else found

    def _chained(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what the manager's method returns; this object in place of the manager, so that it stays recorded."""
        found = method(*args, **kwargs)
        return self if found is self._manager else found

    def _begin(self) -> Listener:
        """Return the listener of one connection, of the session that is current or of its own."""
        joined = current_session()
        self._listener = Listener(
            self._own if joined is None else joined,
            owns=joined is None,
            model=_model_of(self._manager),
            tools=self._tools,
        )
        return self._listener

    def _connected(self, listener: Listener) -> None:
        """Hear of what was queued before there was a connection."""
        for event in self._queued:
            _finish(listener.sending(event))
        self._queued = []

    @guard
    def _be_current(self) -> None:
        """Have what the application records in the block be part of the session."""
        if self._listener is not None and self._listener.owns:
            active = self._own.active()
            active.__enter__()
            self._active.append(active)

    @guard
    def _leave(self, error: BaseException | None) -> None:
        if self._active:
            self._active.pop().__exit__(None, None, None)
        if self._listener is not None:
            self._listener.leave(error)


class RecordedRealtime(_Recorded):
    """Stands for a `RealtimeConnectionManager`; made by `record()`."""

    def enter(self) -> RealtimeConnection:
        """Connect; the session ends with `close()`. It does not become current: for that use `with`."""
        listener = self._begin()
        try:
            connection = self._manager.enter()
        except BaseException as error:
            listener.failed(error)
            raise
        self._connected(listener)
        _listen(connection, listener)
        return connection  # type: ignore[no-any-return]  # the manager's own

    def __enter__(self) -> RealtimeConnection:
        connection = self.enter()
        self._be_current()
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)
        self._manager.__exit__(kind, error, trace)


class AsyncRecordedRealtime(_Recorded):
    """Stands for an `AsyncRealtimeConnectionManager`; made by `record()`."""

    async def enter(self) -> AsyncRealtimeConnection:
        """Connect; the session ends with `close()`. It does not become current: for that use `async with`."""
        listener = self._begin()
        try:
            connection = await self._manager.enter()
        except BaseException as error:
            listener.failed(error)
            raise
        self._connected(listener)
        _listen_async(connection, listener)
        return connection  # type: ignore[no-any-return]  # the manager's own

    async def __aenter__(self) -> AsyncRealtimeConnection:
        connection = await self.enter()
        self._be_current()
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)
        await self._manager.__aexit__(kind, error, trace)


def _listen(connection: Any, listener: Listener) -> None:
    """Put our ears on the methods of a connection that its resources, its iteration and its handlers use, too."""

    def hear(receive: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(receive)
        def receiving(*args: Any, **kwargs: Any) -> Any:
            listener.listening()
            try:
                received = receive(*args, **kwargs)
            except Exception as error:
                listener.lost(error)
                raise
            listener.heard(received)
            return received

        return receiving

    def tell(send: Callable[..., Any], read: Callable[[Any], Any]) -> Callable[..., Any]:
        @functools.wraps(send)
        def sending(*args: Any, **kwargs: Any) -> Any:
            sent = listener.sending(read(_first(args, kwargs)))
            try:
                returned = send(*args, **kwargs)
            except Exception as error:
                listener.lost(error)
                raise
            _finish(sent)
            return returned

        return sending

    def end(close: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(close)
        def closing(*args: Any, **kwargs: Any) -> Any:
            listener.leave(None)
            return close(*args, **kwargs)

        return closing

    _put_on(connection, hear, tell, end)


def _listen_async(connection: Any, listener: Listener) -> None:
    """Put our ears on an async connection, as `_listen` does."""

    def hear(receive: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(receive)
        async def receiving(*args: Any, **kwargs: Any) -> Any:
            listener.listening()
            try:
                received = await receive(*args, **kwargs)
            except Exception as error:
                listener.lost(error)
                raise
            listener.heard(received)
            return received

        return receiving

    def tell(send: Callable[..., Any], read: Callable[[Any], Any]) -> Callable[..., Any]:
        @functools.wraps(send)
        async def sending(*args: Any, **kwargs: Any) -> Any:
            sent = listener.sending(read(_first(args, kwargs)))
            try:
                returned = await send(*args, **kwargs)
            except Exception as error:
                listener.lost(error)
                raise
            _finish(sent)
            return returned

        return sending

    def end(close: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(close)
        async def closing(*args: Any, **kwargs: Any) -> Any:
            listener.leave(None)
            return await close(*args, **kwargs)

        return closing

    _put_on(connection, hear, tell, end)


@guard
def _put_on(connection: Any, hear: Callable[..., Any], tell: Callable[..., Any], end: Callable[..., Any]) -> None:
    connection.recv_bytes = hear(connection.recv_bytes)  # `recv` reads by it
    connection.send = tell(connection.send, _same)
    if hasattr(connection, "send_raw"):
        connection.send_raw = tell(connection.send_raw, parsed)  # `send` does not send by it
    connection.close = end(connection.close)


def _same(event: Any) -> Any:
    return event


def _first(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the one argument of a call, however it was passed."""
    return args[0] if args else next(iter(kwargs.values()), None)


@guard
def _finish(sent: Callable[[], None] | None) -> None:
    if sent is not None:
        sent()


def _model_of(manager: Any) -> str | None:
    """Return the model asked for, which the manager keeps to itself; the server tells it, but later."""
    found = getattr(manager, f"_{type(manager).__name__}__model", None)
    return found if isinstance(found, str) else None
