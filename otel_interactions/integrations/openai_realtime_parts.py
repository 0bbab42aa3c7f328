"""What a conversation over OpenAI's Realtime API is made of: responses, utterances, sound, and the fields of events."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from otel_interactions import conventions as names
from otel_interactions.conventions import Kind
from otel_interactions.failures import OTHER, Failure
from otel_interactions.guard import guard
from otel_interactions.models import Generation
from otel_interactions.recording import Recording, message
from otel_interactions.values import clean

V = TypeVar("V")

MOST: Final = 32  # turns without a transcript, calls without an output, responses on their way: beyond, the oldest goes
_PCM_RATE: Final = 24_000  # samples a second where nobody says; two bytes each
_G711: Final = frozenset({"audio/pcmu", "audio/pcma"})  # 8000 samples a second, one byte each
_FINISH_REASONS: Final = {
    "turn_detected": "interrupted",
    "client_cancelled": "cancelled",
    "max_output_tokens": "length",
    "completed": "stop",
    "failed": "error",
}


class Response(Generation):
    """One response of the model's.

    Attributes:
        spoken: whether any of it is sound.
        size: bytes of sound so far.
        called: the ids of the calls it was heard to want, those taken back included.
    """

    def __init__(self, model: str | None, instructions: str) -> None:
        super().__init__({"model": model, "provider": "openai"}, None, instructions or None)
        self.spoken = False
        self.size = 0
        self.called: set[str] = set()
        self._wanted: dict[str, dict[str, Any]] = {}
        self._part: tuple[Any, Any] | None = None

    @property
    def words(self) -> str:
        """What it says so far."""
        return self._text.text() if self._text.length else ""

    def begin(self, response_id: str, instructions: str | None) -> bool:
        """Begin at the time of the request; return whether instructions that are new have been put to it."""
        fresh = self._instructions is None and instructions is not None
        if fresh:
            self._instructions = instructions
        self.set_attribute(names.GEN_AI_RESPONSE_ID, response_id or None)
        self.enter()
        return fresh

    def hear(self, event: Any) -> None:
        """Hear some of its text; each part of it is a line of its own."""
        part = get(event, "item_id"), get(event, "content_index")
        if self._part is not None and part != self._part:
            self.append("\n")
        self._part = part
        self.yielded(text(event, "delta"))

    def sound(self, size: int) -> None:
        """Hear so many bytes of its sound."""
        self.spoken = True
        self.size += size
        self.yielded(None)

    def wants(self, call_id: str, name: str, arguments: str) -> None:
        """Hear that it wants a function called."""
        self.called.add(call_id)
        self._wanted[call_id] = {"id": call_id, "name": name, "arguments": arguments}

    def takes_back(self, call_id: str) -> None:
        """Hear that it was interrupted before a call was complete."""
        self.called.add(call_id)
        self._wanted.pop(call_id, None)

    def conclude(self, result: Any, model: str | None) -> None:
        """Hear how it ended, and which model it is by."""
        status, details = text(result, "status"), get(result, "status_details")
        if not self._text.length:
            self.text("\n".join(_texts(result)))
        reason = text(details, "reason") or status
        reason = _FINISH_REASONS.get(reason, reason)
        if reason == "stop" and self._wanted:
            reason = "tool_call"
        if status == "failed":
            self._failure = failure(get(details, "error"))
        self.set(response_model=model, finish_reason=reason or None, tool_calls=list(self._wanted.values()) or None)
        self._count(get(result, "usage"))

    def _count(self, usage: Any) -> None:
        read, written = get(usage, "input_token_details"), get(usage, "output_token_details")
        self.set(
            input_tokens=get(usage, "input_tokens"),
            output_tokens=get(usage, "output_tokens"),
            cached_tokens=get(read, "cached_tokens"),
            reasoning_tokens=get(written, "reasoning_tokens"),
            attributes={
                names.AUDIO_INPUT_TOKENS: get(read, "audio_tokens"),
                names.AUDIO_OUTPUT_TOKENS: get(written, "audio_tokens"),
                names.AUDIO_CACHED_TOKENS: get(get(read, "cached_tokens_details"), "audio_tokens"),
            },
        )


class Utterance(Recording):
    """What somebody wrote or said, from when it was complete to when its transcript is there."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind, kind)

    @guard
    def said(self, words: str) -> None:
        """Set the words."""
        role = "assistant" if self.kind == "audio_output" else "user"
        self._attributes |= message(role, words, capture=self._captures)

    def sounds(self, size: int, form: Format, duration_ms: float | None = None) -> None:
        """Set how much sound it is: its bytes, and what they last unless that is known better."""
        if duration_ms is None and size:
            duration_ms = size / form.bytes_per_ms
        self._put(
            {
                names.AUDIO_BYTES: size or None,  # over WebRTC or SIP the sound does not pass here
                names.AUDIO_DURATION_MS: duration_ms,
                names.AUDIO_MIME_TYPE: form.mime_type,
            }
        )

    def fails(self, problem: Any) -> None:
        """Hear that there will be no words."""
        self._failure = failure(problem)


class Format:
    """How sound is written: `audio/pcm` (16 bit), `audio/pcmu` or `audio/pcma`."""

    def __init__(self, given: Any = None) -> None:
        self.mime_type = text(given, "type") or "audio/pcm"
        rate = get(given, "rate")
        samples = rate if isinstance(rate, int) and rate > 0 else _PCM_RATE
        self.bytes_per_ms = 8.0 if self.mime_type in _G711 else samples * 2 / 1000


class Config:
    """What client and server have agreed on, as far as we have heard.

    Attributes:
        model: the model asked for; the one that serves where we do not know.
        served_by: the model as the server names it.
        mode: `voice` or `text`: how it answers.
        voice: the voice it speaks with.
        input: how the sound is written that it hears.
        output: how the sound is written that it speaks.
        transcribes: whether what it hears is transcribed.
    """

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.served_by: str | None = None
        self.mode = "voice"  # OpenAI's default: audio
        self.voice: str | None = None
        self.input, self.output = Format(), Format()
        self.transcribes = True  # until we hear otherwise: a turn may wait in vain, but none loses its transcript

    def take(self, given: Any, *, whole: bool = False) -> None:
        """Hear of a session's configuration: of what is to change in it, or of the whole as the server has it."""
        heard, spoken = get(get(given, "audio"), "input"), get(get(given, "audio"), "output")
        transcription = get(heard, "transcription")
        if whole:  # a session that only transcribes has no other model
            self.served_by = text(given, "model") or text(transcription, "model") or self.served_by
            self.model = self.model or self.served_by
        self.voice = text(spoken, "voice") or self.voice
        if modalities := members(given, "output_modalities"):
            self.mode = "voice" if "audio" in modalities else "text"
        if get(heard, "format") is not None:
            self.input = Format(get(heard, "format"))
        if get(spoken, "format") is not None:
            self.output = Format(get(spoken, "format"))
        if whole or transcription is not None:
            self.transcribes = transcription is not None


class SoundSent:
    """How much sound the application has sent, and which of it is whose turn.

    Where the server finds the turns it says where they begin and end, in milliseconds of all the sound it was sent;
    what lies between turns is silence and part of none. Else a turn is what was sent since the last.
    """

    def __init__(self) -> None:
        self._total = self._used = 0
        self._commits: deque[int] = deque(maxlen=MOST)
        self._bounds: dict[str, dict[str, float]] = {}

    def append(self, audio: Any) -> None:
        """Hear of a chunk."""
        self._total += decoded_size(audio)

    def clear(self) -> None:
        """Have what was sent be part of no turn."""
        self._used = self._total

    def commit(self) -> None:
        """Have what is sent from here on be part of the next turn, whenever the server confirms this one."""
        self._commits.append(self._total)

    def forget_commits(self) -> None:
        """Hear that the server may have refused one."""
        self._commits.clear()

    def bound(self, event: Any, **found: str) -> None:
        """Hear where a turn begins or ends: `start` or `end`, and the field that says so."""
        item_id = text(event, "item_id")
        places = {side: get(event, name) for side, name in found.items()}
        known = self._bounds.get(item_id, {}) | {side: at for side, at in places.items() if isinstance(at, int | float)}
        keep(self._bounds, item_id, known, lambda _forgotten: None)

    def turn(self, item_id: str, form: Format) -> tuple[int, Format, float | None]:
        """Return the bytes of a turn that is complete, how they are written, and the milliseconds if they are known."""
        until = self._commits.popleft() if self._commits else self._total
        size, self._used = max(0, until - self._used), max(until, self._used)
        bounds = self._bounds.pop(item_id, {})
        if not {"start", "end"} <= bounds.keys():
            return size, form, None
        lasted = max(0.0, float(bounds["end"] - bounds["start"]))
        return min(size, round(lasted * form.bytes_per_ms)), form, lasted


def keep(kept: dict[str, V], key: str, value: V, let_go: Callable[[V], Any]) -> None:
    """Keep a value; where there are too many, let go of the oldest."""
    kept[key] = value
    while len(kept) > MOST:
        let_go(kept.pop(next(iter(kept))))


def taken(kept: dict[str, V]) -> list[V]:
    """Return all values, and keep none."""
    found = list(kept.values())
    kept.clear()
    return found


def failure(problem: Any) -> Failure:
    """Return what went wrong as the server puts it."""
    kind = text(problem, "code") or text(problem, "type") or OTHER
    return Failure(clean(kind), clean(text(problem, "message")), "")


def _texts(result: Any) -> list[str]:
    """Return what the messages of a response say."""
    parts = [part for item in members(result, "output") for part in members(item, "content")]
    return [words for part in parts if (words := text(part, "text") or text(part, "transcript"))]


def decoded_size(base64: Any) -> int:
    """Return how many bytes base64 text stands for, without decoding it."""
    return len(base64) * 3 // 4 - base64[-2:].count("=") if isinstance(base64, str) else 0


def get(source: Any, name: str) -> Any:
    """Return a field of an event, whether that is JSON or one of the client's own objects; None if there is none."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def text(source: Any, name: str) -> str:
    """Return a field that is text; "" if there is none."""
    found = get(source, name)
    return found if isinstance(found, str) else ""


def members(source: Any, name: str) -> Sequence[Any]:
    """Return the members of a list; an iterator of the application's is not ours to use up."""
    found = get(source, name)
    return found if isinstance(found, list | tuple) else ()


def parsed(data: Any) -> dict[str, Any]:
    """Return an event as JSON has it; nothing where it is none, which is for the client to find out."""
    try:
        found = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
