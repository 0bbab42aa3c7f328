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

import hashlib
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial, wraps
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from opentelemetry.context import get_current

from otel_interactions import conventions as names
from otel_interactions.decorators import Active, adrive
from otel_interactions.failures import type_name
from otel_interactions.guard import guard
from otel_interactions.integrations.conversation import Conversation
from otel_interactions.interactions import error as record_error
from otel_interactions.interactions import event
from otel_interactions.recorder import installed
from otel_interactions.session import Session, current_session, session
from otel_interactions.values import as_text, safe_repr

T = TypeVar("T")

COMPONENT: Final = "gemini_live"
INPUT_RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
"""Samples a second, as the Live API has them where the MIME type does not say."""

_ORDERLY: Final = frozenset({1000, 1001})  # RFC 6455: done, and going away
_CLOSE_CODES: Final = range(1000, 5000)  # what is below is a status of HTTP
_MAX_ERRORS: Final = 100  # different ones of one connection


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


@dataclass(frozen=True, slots=True)
class Setup:
    """What a connection was asked for."""

    model: str | None = None
    mode: str = "voice"
    voice: str | None = None
    handle: str | None = None

    @classmethod
    def of(cls, connection: object) -> Setup:
        """Read the arguments of `connect()`, which contextlib keeps until the block is entered."""
        given = getattr(connection, "kwds", None)
        given = given if isinstance(given, Mapping) else {}
        config, model = given.get("config"), given.get("model")
        asked = _read(config, "response_modalities") or _read(config, "generation_config", "response_modalities")
        modalities = {as_text(each).upper() for each in asked or ("AUDIO",)}
        speech = _read(config, "speech_config") or _read(config, "generation_config", "speech_config")
        voice = _read(speech, "voice_config", "prebuilt_voice_config", "voice_name")
        handle = _read(config, "session_resumption", "handle")
        return cls(
            model=None if model is None else as_text(model).removeprefix("models/"),
            mode="voice" if "AUDIO" in modalities else "text",
            voice=None if voice is None else as_text(voice),
            handle=None if handle is None else as_text(handle),
        )


class Listener:
    """Hears what goes through one connection, in whatever task, and records it where the connection was made.

    Attributes:
        closing: whether the application is about to close the connection.
        lost: the code with which the other side closed it, None while it has not.
    """

    def __init__(self, setup: Setup) -> None:
        self.closing = False
        self.lost: int | None = None
        self._context = get_current()
        self._connected = self._over = False
        self._why = ""
        self._errors: set[tuple[str, str]] = set()
        self._began_ns = _now()
        self._setup = setup
        self._talk = Conversation(model=setup.model, provider=_GEMINI, input_rate=INPUT_RATE, output_rate=OUTPUT_RATE)

    # The connection.

    def connected(self, live: object) -> None:
        """Record that it was made."""
        if _read(live, "_api_client", "vertexai"):
            self._talk.provider = _VERTEX
        self._connected = True
        told = {
            "model": self._setup.model,
            "voice": self._setup.voice,
            "handle_sha256": _hashed(self._setup.handle) if self._setup.handle else None,
            "live_session_id": _read(live, "session_id"),
            "connect_ms": (_now() - self._began_ns) / 1e6,
        }
        with Active(self._context):
            self._event("live connection made", "info", told)

    @guard
    def refused(self, error: BaseException) -> None:
        """Hear that it could not be made."""
        if isinstance(error, Exception):
            with Active(self._context):
                self._fail_once(error)

    @guard
    def failed(self, error: BaseException) -> None:
        """Hear what a method raised; a cancelled task or an abandoned loop is no failure."""
        if self._over or not isinstance(error, Exception):
            return
        code = _close_code(error)
        with Active(self._context):
            if code is None:
                self._fail_once(error)
            elif self.lost is None and not self.closing:
                self.lost, self._why = code, _close_reason(error)
                self._talk.end("disconnected")
                if code not in _ORDERLY:
                    self._fail_once(error)

    def _fail_once(self, error: Exception) -> None:
        seen = type_name(error), safe_repr(error)
        if seen not in self._errors and len(self._errors) < _MAX_ERRORS:
            self._errors.add(seen)
            record_error(error, component=COMPONENT)

    @guard
    def end(self, error: BaseException | None) -> None:
        """Record what is open still, and that the connection ended."""
        if self._over:
            return
        reason = _end_reason(error) if self.lost is None else "disconnected"
        with Active(self._context):
            self._talk.end("abandoned" if reason == "completed" else reason)
            told: dict[str, Any] = {
                "reason": reason,
                "code": self.lost,
                "close_reason": self._why or None,
                "connected_ms": (_now() - self._began_ns) / 1e6,
                **self._talk.totals,
                **self._talk.unclaimed,
            }
            if self._connected:
                self._event("live connection ended", "info" if self.lost is None else "warn", told)
        self._over = True

    def _event(self, message: str, severity: str, details: Mapping[str, Any]) -> None:
        known = {name: value for name, value in details.items() if value is not None}
        event("api", message, severity=severity, component=COMPONENT, details=known)

    # What is sent.

    def sent(self, method: str, given: Mapping[str, Any]) -> None:
        """Hear the arguments of one call of a method that sends."""
        if self._over:
            return
        if method == "send_realtime_input":
            sound = given.get("audio")
            if sound is not None and len(given) == 1:  # many a second: nothing is recorded here, only counted
                self._chunk(sound, "audio/pcm")
                return
        with Active(self._context):
            _SENDING[method](self, given)

    def _content(self, given: Mapping[str, Any]) -> None:
        """Hear turns. What goes before the model's last one is history the application restores, not said now."""
        turns = given.get("turns")
        turns = turns if isinstance(turns, list | tuple) else [] if turns is None else [turns]
        said: list[Any] = []
        for turn in turns:
            said = [] if _read(turn, "role") == "model" else [*said, turn]
        for turn in said:
            self._said(turn if isinstance(turn, str) else _read(turn, "parts") or ())
        if given.get("turn_complete", True):
            self._talk.asked()

    def _said(self, parts: Any) -> None:
        """Hear one turn of the user's: what it says, and what is attached to it."""
        parts = parts if isinstance(parts, list | tuple) else [parts]
        texts = [text for text in map(_text, parts) if text]
        attached: list[dict[str, Any]] = []
        for part in parts:
            blob = _read(part, "inline_data")
            if blob is not None and not self._chunk(blob):
                attached.append({"mime_type": _read(blob, "mime_type"), "bytes": _size(blob)})
            elif (file := _read(part, "file_data")) is not None:
                attached.append({"mime_type": _read(file, "mime_type"), "uri": _read(file, "file_uri")})
        if texts or attached:
            self._talk.wrote("\n".join(texts), attached)

    def _realtime(self, given: Mapping[str, Any]) -> None:
        for name, default in (("audio", "audio/pcm"), ("media", ""), ("video", "")):
            if given.get(name) is not None:
                self._chunk(given[name], default)
        if given.get("text"):
            self._talk.wrote(as_text(given["text"]))
            self._talk.asked()
        if given.get("activity_start") is not None:
            self._talk.began_speaking()
        if given.get("activity_end") is not None or given.get("audio_stream_end"):
            self._talk.asked()

    def _chunk(self, blob: Any, default: str = "") -> bool:
        """Count a chunk of sound, or a picture; return False where it is a picture."""
        mime_type = _read(blob, "mime_type") or default
        if isinstance(mime_type, str) and mime_type.startswith("audio/"):
            self._talk.spoke(_size(blob), mime_type)
            return True
        self._talk.totals["pictures"] += 1
        return False

    def _responses(self, given: Mapping[str, Any]) -> None:
        answers = given.get("function_responses")
        for answer in answers if isinstance(answers, list | tuple) else [answers]:
            call_id, response = _read(answer, "id"), _read(answer, "response")
            self._talk.returned(
                None if call_id is None else as_text(call_id),
                as_text(_read(answer, "name") or ""),
                response,
                error=_read(response, "error"),
                more=bool(_read(answer, "will_continue")),
            )

    def _anything(self, given: Mapping[str, Any]) -> None:
        """Hear the deprecated `send()`, which takes all there is."""
        what = given.get("input")
        first = what[0] if isinstance(what, list | tuple) and what else what
        complete = given.get("end_of_turn") or not what
        if _read(what, "function_responses"):
            self._responses({"function_responses": _read(what, "function_responses")})
        elif _read(first, "name") and _read(first, "response") is not None:
            self._responses({"function_responses": what})
        elif _read(what, "media_chunks") or _read(first, "data") is not None:
            chunks = _read(what, "media_chunks") or (what if isinstance(what, list | tuple) else [what])
            for chunk in chunks:
                self._chunk(chunk)
        elif _read(what, "turns") or _read(what, "content"):
            turns = _read(what, "turns") or _read(what, "content")
            self._content({"turns": turns, "turn_complete": bool(_read(what, "turn_complete"))})
        elif isinstance(first, str) or _read(first, "text"):
            self._said(what)
            if complete:
                self._talk.asked()
        elif complete:
            self._talk.asked()

    # What is received.

    def received(self, message: Any) -> None:
        """Hear one message of the server."""
        if self._over:
            return
        with Active(self._context):
            usage = _read(message, "usage_metadata")
            if usage is not None:
                self._talk.spent(_tokens(usage))
            self._activity(message)
            content = _read(message, "server_content")
            if content is not None:
                self._server_content(content)
            for call in _read(message, "tool_call", "function_calls") or ():
                self._talk.called(_read(call, "id"), as_text(_read(call, "name") or ""), _read(call, "args"))
            for call_id in _read(message, "tool_call_cancellation", "ids") or ():
                self._talk.cancelled(call_id)
            self._notices(message)

    def _activity(self, message: Any) -> None:
        """Hear what the server's own detection says of the user, where it was asked to."""
        said = _read(message, "voice_activity", "voice_activity_type")
        said = said or _read(message, "voice_activity_detection_signal", "vad_signal_type")
        if said is not None:
            word = as_text(said)
            if word.endswith(("_START", "_SOS")):
                self._talk.began_speaking()
            elif word.endswith(("_END", "_EOS")):
                self._talk.asked()

    def _server_content(self, content: Any) -> None:
        talk = self._talk
        heard = _read(content, "input_transcription")
        if heard is not None:
            talk.understood(_read(heard, "text") or "", finished=bool(_read(heard, "finished")))
        for part in _read(content, "model_turn", "parts") or ():
            self._model_part(part)
        spoken = _read(content, "output_transcription", "text")
        if spoken:
            talk.spoken(spoken)
        if _read(content, "interrupted"):
            talk.interrupt()
        if _read(content, "generation_complete"):
            talk.generated()
        if _read(content, "turn_complete"):
            reason = as_text(_read(content, "turn_complete_reason") or "").lower()
            talk.turn_over(reason if reason and not reason.endswith("unspecified") else None)

    def _model_part(self, part: Any) -> None:
        blob, text = _read(part, "inline_data"), _read(part, "text")
        if blob is not None and (_read(blob, "mime_type") or "audio/").startswith("audio/"):
            self._talk.sounded(_size(blob), _read(blob, "mime_type"))
        if text and not _read(part, "thought"):
            self._talk.said(text)

    def _notices(self, message: Any) -> None:
        """Hear what the server says of the connection."""
        leaving = _read(message, "go_away")
        if leaving is not None:
            self._event("live connection will end", "warn", {"time_left": _read(leaving, "time_left")})
        update = _read(message, "session_resumption_update")
        if update is not None:
            handle = _read(update, "new_handle")
            told = {
                "resumable": bool(_read(update, "resumable")),
                "handle_sha256": _hashed(handle) if handle else None,
                "handle_length": len(handle) if handle else None,
                "last_consumed_client_message_index": _read(update, "last_consumed_client_message_index"),
            }
            self._event("live session can be resumed" if handle else "live session cannot be resumed", "debug", told)


_GEMINI: Final = "gcp.gemini"
_VERTEX: Final = "gcp.vertex_ai"
_SENDING: Final[dict[str, Callable[[Listener, Mapping[str, Any]], None]]] = {
    "send_client_content": Listener._content,  # noqa: SLF001
    "send_realtime_input": Listener._realtime,  # noqa: SLF001
    "send_tool_response": Listener._responses,  # noqa: SLF001
    "send_context_update": lambda _listener, _given: None,
    "send": Listener._anything,  # noqa: SLF001
}
_RECEIVING: Final = ("receive", "start_stream")


def hook(live: Any, listener: Listener) -> Callable[[], None]:
    """Have a connection's methods listened to; return what puts an end to that.

    The methods are replaced on this one object: it stays what it is for everybody who asks, and what the library calls
    on itself is heard as well.
    """
    for name in (*_SENDING, *_RECEIVING, "close"):
        method = getattr(live, name, None)
        if method is None:
            continue
        if name in _RECEIVING:
            setattr(live, name, _listening(method, listener))
        else:
            setattr(live, name, _telling(name, method, listener))

    def unhook() -> None:
        for name in (*_SENDING, *_RECEIVING, "close"):
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


# Reading what may be an object of google-genai's or a mapping of the same names.


def _read(value: Any, *path: str) -> Any:
    """Return what is at the end of a path of attributes or keys; None where there is nothing."""
    for name in path:
        if value is None:
            return None
        if isinstance(value, Mapping):
            found = value.get(name)
            value = value.get(_camel(name)) if found is None else found
        else:
            value = getattr(value, name, None)
    return value


@lru_cache(256)
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text(part: Any) -> str | None:
    text = part if isinstance(part, str) else _read(part, "text")
    return text if isinstance(text, str) else None


def _size(blob: Any) -> int:
    data = _read(blob, "data")
    return len(data) if isinstance(data, bytes | bytearray | memoryview | str) else 0


def _tokens(usage: Any) -> dict[str, int]:
    """Return the tokens of one message; Google counts those of thoughts and of tools apart, OpenTelemetry does not."""
    thoughts = _read(usage, "thoughts_token_count")
    counted = {
        names.GEN_AI_INPUT_TOKENS: _sum(
            _read(usage, "prompt_token_count"), _read(usage, "tool_use_prompt_token_count")
        ),
        names.GEN_AI_OUTPUT_TOKENS: _sum(_read(usage, "response_token_count"), thoughts),
        names.GEN_AI_CACHED_TOKENS: _sum(_read(usage, "cached_content_token_count")),
        names.GEN_AI_REASONING_TOKENS: _sum(thoughts),
        names.AUDIO_INPUT_TOKENS: _sum(*_of_sound(_read(usage, "prompt_tokens_details"))),
        names.AUDIO_OUTPUT_TOKENS: _sum(*_of_sound(_read(usage, "response_tokens_details"))),
    }
    return {name: count for name, count in counted.items() if count is not None}


def _of_sound(details: Iterable[Any] | None) -> list[Any]:
    return [_read(each, "token_count") for each in details or () if as_text(_read(each, "modality")) == "AUDIO"]


def _sum(*counts: Any) -> int | None:
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if known else None


def _close_code(error: Exception) -> int | None:
    """Return the code a WebSocket was closed with, if that is what the exception says; 1006 where none came.

    google-genai gives it as its APIError's code when receiving; when sending the exception is websockets' own.
    """
    if type(error).__name__.startswith("ConnectionClosed"):
        return _read(error, "rcvd", "code") or 1006
    code = getattr(error, "code", None)
    return code if isinstance(code, int) and code in _CLOSE_CODES else None


def _close_reason(error: Exception) -> str:
    reason = _read(error, "rcvd", "reason") or _read(error, "details")
    return reason if isinstance(reason, str) else ""


def _end_reason(error: BaseException | None) -> str:
    """Return the word `session_end` has for what ended a block."""
    for kinds, word in ((Exception, "error"), (CancelledError, "cancelled"), (GeneratorExit, "abandoned")):
        if isinstance(error, kinds):
            return word
    return "completed" if error is None else "interrupted"


def _hashed(handle: Any) -> str:
    return hashlib.sha256(as_text(handle).encode()).hexdigest()[:16]


def _now() -> int:
    recorder = installed()
    return 0 if recorder is None else recorder.clock()
