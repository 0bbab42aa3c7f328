"""Hears what goes through one connection to the Gemini Live API, and has it recorded as a conversation."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.context import get_current

from otel_interactions.decorators import Active
from otel_interactions.failures import type_name
from otel_interactions.guard import guard
from otel_interactions.integrations.conversation import Conversation, now
from otel_interactions.integrations.gemini_reading import close_code, close_reason, hashed, read, size, text_of, tokens
from otel_interactions.interactions import error as record_error
from otel_interactions.interactions import event
from otel_interactions.values import as_text, safe_repr

COMPONENT: Final = "gemini_live"
INPUT_RATE: Final = 16_000
OUTPUT_RATE: Final = 24_000
"""Samples a second, as the Live API has them where the MIME type does not say."""

_GEMINI: Final = "gcp.gemini"
_VERTEX: Final = "gcp.vertex_ai"
_ORDERLY: Final = frozenset({1000, 1001})  # RFC 6455: done, and going away
_MAX_ERRORS: Final = 100  # different ones of one connection


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
        asked = read(config, "response_modalities") or read(config, "generation_config", "response_modalities")
        modalities = {as_text(each).upper() for each in asked or ("AUDIO",)}
        speech = read(config, "speech_config") or read(config, "generation_config", "speech_config")
        voice = read(speech, "voice_config", "prebuilt_voice_config", "voice_name")
        handle = read(config, "session_resumption", "handle")
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
        self._began_ns = now()
        self._setup = setup
        self._talk = Conversation(model=setup.model, provider=_GEMINI, input_rate=INPUT_RATE, output_rate=OUTPUT_RATE)

    # The connection.

    def connected(self, live: object) -> None:
        """Record that it was made."""
        if read(live, "_api_client", "vertexai"):
            self._talk.provider = _VERTEX
        self._connected = True
        told = {
            "model": self._setup.model,
            "voice": self._setup.voice,
            "handle_sha256": hashed(self._setup.handle) if self._setup.handle else None,
            "live_session_id": read(live, "session_id"),
            "connect_ms": (now() - self._began_ns) / 1e6,
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
        code = close_code(error)
        with Active(self._context):
            if code is None:
                self._fail_once(error)
            elif self.lost is None and not self.closing:
                self.lost, self._why = code, close_reason(error)
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
                "connected_ms": (now() - self._began_ns) / 1e6,
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
            SENDING[method](self, given)

    def _content(self, given: Mapping[str, Any]) -> None:
        """Hear turns. What goes before the model's last one is history the application restores, not said now."""
        turns = given.get("turns")
        turns = turns if isinstance(turns, list | tuple) else [] if turns is None else [turns]
        said: list[Any] = []
        for turn in turns:
            said = [] if read(turn, "role") == "model" else [*said, turn]
        for turn in said:
            self._said(turn if isinstance(turn, str) else read(turn, "parts") or ())
        if given.get("turn_complete", True):
            self._talk.asked()

    def _said(self, parts: Any) -> None:
        """Hear one turn of the user's: what it says, and what is attached to it."""
        parts = parts if isinstance(parts, list | tuple) else [parts]
        texts = [text for text in map(text_of, parts) if text]
        attached: list[dict[str, Any]] = []
        for part in parts:
            blob = read(part, "inline_data")
            if blob is not None and not self._chunk(blob):
                attached.append({"mime_type": read(blob, "mime_type"), "bytes": size(blob)})
            elif (file := read(part, "file_data")) is not None:
                attached.append({"mime_type": read(file, "mime_type"), "uri": read(file, "file_uri")})
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
        mime_type = read(blob, "mime_type") or default
        if isinstance(mime_type, str) and mime_type.startswith("audio/"):
            self._talk.spoke(size(blob), mime_type)
            return True
        self._talk.totals["pictures"] += 1
        return False

    def _responses(self, given: Mapping[str, Any]) -> None:
        answers = given.get("function_responses")
        for answer in answers if isinstance(answers, list | tuple) else [answers]:
            call_id, response = read(answer, "id"), read(answer, "response")
            self._talk.returned(
                None if call_id is None else as_text(call_id),
                as_text(read(answer, "name") or ""),
                response,
                error=read(response, "error"),
                more=bool(read(answer, "will_continue")),
            )

    def _anything(self, given: Mapping[str, Any]) -> None:
        """Hear the deprecated `send()`, which takes all there is."""
        what = given.get("input")
        first = what[0] if isinstance(what, list | tuple) and what else what
        complete = given.get("end_of_turn") or not what
        if read(what, "function_responses"):
            self._responses({"function_responses": read(what, "function_responses")})
        elif read(first, "name") and read(first, "response") is not None:
            self._responses({"function_responses": what})
        elif read(what, "media_chunks") or read(first, "data") is not None:
            chunks = read(what, "media_chunks") or (what if isinstance(what, list | tuple) else [what])
            for chunk in chunks:
                self._chunk(chunk)
        elif read(what, "turns") or read(what, "content"):
            turns = read(what, "turns") or read(what, "content")
            self._content({"turns": turns, "turn_complete": bool(read(what, "turn_complete"))})
        elif isinstance(first, str) or read(first, "text"):
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
            usage = read(message, "usage_metadata")
            if usage is not None:
                self._talk.spent(tokens(usage))
            self._activity(message)
            content = read(message, "server_content")
            if content is not None:
                self._server_content(content)
            for call in read(message, "tool_call", "function_calls") or ():
                self._talk.called(read(call, "id"), as_text(read(call, "name") or ""), read(call, "args"))
            for call_id in read(message, "tool_call_cancellation", "ids") or ():
                self._talk.cancelled(call_id)
            self._notices(message)

    def _activity(self, message: Any) -> None:
        """Hear what the server's own detection says of the user, where it was asked to."""
        said = read(message, "voice_activity", "voice_activity_type")
        said = said or read(message, "voice_activity_detection_signal", "vad_signal_type")
        if said is not None:
            word = as_text(said)
            if word.endswith(("_START", "_SOS")):
                self._talk.began_speaking()
            elif word.endswith(("_END", "_EOS")):
                self._talk.asked()

    def _server_content(self, content: Any) -> None:
        talk = self._talk
        heard = read(content, "input_transcription")
        if heard is not None:
            talk.understood(read(heard, "text") or "", finished=bool(read(heard, "finished")))
        for part in read(content, "model_turn", "parts") or ():
            self._model_part(part)
        spoken = read(content, "output_transcription", "text")
        if spoken:
            talk.spoken(spoken)
        if read(content, "interrupted"):
            talk.interrupt()
        if read(content, "generation_complete"):
            talk.generated()
        if read(content, "turn_complete"):
            reason = as_text(read(content, "turn_complete_reason") or "").lower()
            talk.turn_over(reason if reason and not reason.endswith("unspecified") else None)

    def _model_part(self, part: Any) -> None:
        blob, text = read(part, "inline_data"), read(part, "text")
        if blob is not None and (read(blob, "mime_type") or "audio/").startswith("audio/"):
            self._talk.sounded(size(blob), read(blob, "mime_type"))
        if text and not read(part, "thought"):
            self._talk.said(text)

    def _notices(self, message: Any) -> None:
        """Hear what the server says of the connection."""
        leaving = read(message, "go_away")
        if leaving is not None:
            self._event("live connection will end", "warn", {"time_left": read(leaving, "time_left")})
        update = read(message, "session_resumption_update")
        if update is not None:
            handle = read(update, "new_handle")
            told = {
                "resumable": bool(read(update, "resumable")),
                "handle_sha256": hashed(handle) if handle else None,
                "handle_length": len(handle) if handle else None,
                "last_consumed_client_message_index": read(update, "last_consumed_client_message_index"),
            }
            self._event("live session can be resumed" if handle else "live session cannot be resumed", "debug", told)


SENDING: Final[dict[str, Callable[[Listener, Mapping[str, Any]], None]]] = {
    "send_client_content": Listener._content,  # noqa: SLF001
    "send_realtime_input": Listener._realtime,  # noqa: SLF001
    "send_tool_response": Listener._responses,  # noqa: SLF001
    "send_context_update": lambda _listener, _given: None,
    "send": Listener._anything,  # noqa: SLF001
}


def _end_reason(error: BaseException | None) -> str:
    """Return the word `session_end` has for what ended a block."""
    for kinds, word in ((Exception, "error"), (CancelledError, "cancelled"), (GeneratorExit, "abandoned")):
        if isinstance(error, kinds):
            return word
    return "completed" if error is None else "interrupted"
