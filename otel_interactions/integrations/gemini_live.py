"""Sessions of the Gemini Live API (`google-genai`) become interactions.

    async with record(client.aio.live.connect(model=..., config=...), user_id="u-1") as live:
        await live.send_client_content(...)
        async for message in live.receive():
            ...

`live` is google-genai's own `AsyncSession`, the very object; its methods are listened to until the block ends. What
they take, give and raise passes unchanged. Tasks that send and tasks that receive may begin wherever they like.

Recorded are, in the current session or else in one of its own: messages, and each turn of either side with its sound
(bytes and length, never the sound itself) and its transcript, model and tokens, times, and how it ended; tool calls
with their responses; that the connection was made, will end, can be resumed, ended. A handle that resumes a session is
as good as a key to all that was said in it: of handles only a short hash is recorded, enough to tell which connection
goes on with which.

What was said aloud is on `audio_input` and `audio_output`, what was written on `user_message` and `assistant_response`:
each word once. The tokens of a turn are on its `assistant_response`, and nowhere else: it is the model's answer to the
user, and counts as one also where content is switched off; a `generation` is a call of a model behind an answer, and of
those this API shows nothing.

An answer is timed from where the user ended: when a message was sent, or at the last sign of the end of speech (the
application's, the server's voice activity), or else when the last words of its transcript came. Where there is none of
these, the answer has no time: a microphone that is never silent would make it zero.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial, wraps
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from otel_interactions.decorators import adrive
from otel_interactions.guard import guard
from otel_interactions.integrations.gemini_listener import SENDING, Listener, Setup
from otel_interactions.session import Session, current_session, session

T = TypeVar("T")

_RECEIVING: Final = ("receive", "start_stream")


def record(
    connection: AbstractAsyncContextManager[T],
    *,
    id: str | None = None,  # noqa: A002  the word of the contract
    user_id: str | None = None,
    consent: bool | None = None,
    model: str | None = None,
    mode: str | None = None,
    voice: str | None = None,
    client: Mapping[str, Any] | str | None = None,
    previous_id: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Recorded[T]:
    """Record a session of the Live API; use what it returns with `async with`, in place of `connection`.

    Inside a session, as after a reconnect, the connection is part of it: of the arguments `model` is used then, and the
    others are for a session of the connection's own.

    Args:
        connection: what `client.aio.live.connect(...)` returns.
        id: the session's id; a new one unless given.
        user_id: who the user is.
        consent: whether the user agreed to be known, as for `session()`.
        model: the model that answers; that of the connection unless given.
        mode: `text` or `voice`; by the connection's response modalities unless given.
        voice: the name of the voice that speaks; that of the connection unless given.
        client: what the client says of itself: browser, app version.
        previous_id: the session this one continues.
        attributes: more attributes of `session_start`.
    """
    setup = Setup()
    with guard:
        setup = Setup.of(connection)
    setup = replace(setup, model=model or setup.model, voice=voice or setup.voice, mode=mode or setup.mode)
    start = partial(
        session,
        id,
        user_id=user_id,
        consent=consent,
        model=setup.model,
        mode=setup.mode,
        voice=setup.voice,
        client=client,
        previous_id=previous_id,
        attributes=attributes,
    )
    return Recorded(connection, setup, start)


class Recorded(Generic[T]):
    """A connection that is recorded, made by `record()`; one `async with` block."""

    def __init__(self, connection: AbstractAsyncContextManager[T], setup: Setup, start: Callable[[], Session]) -> None:
        self._connection, self._setup, self._start = connection, setup, start
        self._session: Session | None = None
        self._listener: Listener | None = None
        self._unhook: Callable[[], None] = lambda: None

    async def __aenter__(self) -> T:
        if current_session() is None:
            self._session = self._start()
            self._session.__enter__()
        self._listener = listener = Listener(self._setup)
        try:
            live = await self._connection.__aenter__()
        except BaseException as error:
            listener.refused(error)
            self._leave(error)
            raise
        with guard:
            listener.connected(live)
            self._unhook = hook(live, listener)
        return live

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._listener is not None:
            self._listener.closing = True
        try:
            return await self._connection.__aexit__(kind, error, trace)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        """End the recording, and the session if it is the connection's own."""
        listener, own = self._listener, self._session
        with guard:
            self._unhook()
        if listener is not None:
            listener.end(error)
        if own is not None:
            if listener is not None and listener.lost is not None:
                own.end("disconnected")
            own.__exit__(None if error is None else type(error), error, None)


def hook(live: Any, listener: Listener) -> Callable[[], None]:
    """Have a connection's methods listened to; return what puts an end to that.

    The methods are replaced on this one object: it stays what it is for everybody who asks, and what the library calls
    on itself is heard as well.
    """
    for name in (*SENDING, *_RECEIVING, "close"):
        method = getattr(live, name, None)
        if method is None:
            continue
        if name in _RECEIVING:
            setattr(live, name, _listening(method, listener))
        else:
            setattr(live, name, _telling(name, method, listener))

    def unhook() -> None:
        for name in (*SENDING, *_RECEIVING, "close"):
            vars(live).pop(name, None)

    return unhook


def _telling(name: str, method: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    """Return a method that sends, or closes, with what it is given heard before it does.

    Before, as the answer may be there before the method returns.
    """

    @wraps(method)
    async def call(*args: Any, **given: Any) -> Any:
        if name == "close":
            listener.closing = True
        else:
            with guard:
                listener.sent(name, given)
        try:
            return await method(*args, **given)
        except BaseException as error:
            listener.failed(error)
            raise

    return call


def _listening(method: Callable[..., Any], listener: Listener) -> Callable[..., Any]:
    """Return a method that receives, with each message heard before the application has it."""

    @wraps(method)
    def call(*args: Any, **given: Any) -> AsyncGenerator[Any, Any]:
        return adrive(lambda: method(*args, **given), _Receiving(listener))

    return call


class _Receiving:
    """The scope of one loop that receives: it ends with a turn, or whenever the application leaves it."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def enter(self) -> None:
        """Nothing begins with a loop: turns do not care in which they are received."""

    def active(self) -> AbstractContextManager[None]:
        """Be in the application's own Context."""
        return nullcontext()

    def yielded(self, item: Any) -> None:
        """Hear one message."""
        with guard:
            self._listener.received(item)

    def returned(self, value: Any) -> Any:
        """Nothing ends with a loop."""
        return value

    def leave(self, error: BaseException | None) -> None:
        """Hear what ended it."""
        if error is not None:
            self._listener.failed(error)
