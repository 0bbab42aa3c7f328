"""The sound of one turn of a conversation: counted as it passes, never kept."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from otel_interactions import conventions as names
from otel_interactions.recording import Recording, message
from otel_interactions.values import Gathered

_PCM: Final = frozenset({"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw"})  # 16 bits a sample, whatever the order


class Sound:
    """What one side said aloud in one turn.

    Args:
        rate: samples a second where the MIME type does not say.

    Attributes:
        size: bytes so far.
        mime_type: the format of the last chunk.
        words: the transcript so far.
        since_ns: when it began, in nanoseconds since 1970; None as long as nobody knows.
    """

    __slots__ = ("_rate", "_seconds", "mime_type", "since_ns", "size", "words")

    def __init__(self, rate: int) -> None:
        self.size = 0
        self.mime_type: str | None = None
        self.words = Gathered()
        self.since_ns: int | None = None
        self._rate = rate
        self._seconds = 0.0

    def __bool__(self) -> bool:
        return self.size > 0 or self.words.length > 0

    def add(self, size: int, mime_type: str | None) -> None:
        """Count one chunk.

        Args:
            size: its bytes.
            mime_type: its format: `audio/pcm;rate=16000`.
        """
        self.size += size
        self.mime_type = mime_type or self.mime_type
        second = bytes_per_second(mime_type or "audio/pcm", self._rate)
        if second:
            self._seconds += size / second

    def duration_ms(self) -> float | None:
        """Return how long it is, in milliseconds; None where the format does not tell."""
        return self._seconds * 1e3 if self._seconds else None

    def record(self, kind: Literal["audio_input", "audio_output"]) -> None:
        """Record it as said from `since_ns` until now."""
        Spoken(kind, self).tell()


class Spoken(Recording):
    """A sound that is over, as an interaction."""

    def __init__(self, kind: Literal["audio_input", "audio_output"], sound: Sound) -> None:
        super().__init__(kind, kind)
        self._sound = sound

    def tell(self) -> None:
        """Record it."""
        self._start(self._sound.since_ns)
        self.end()

    def _finishing(self, end_ns: int) -> None:  # noqa: ARG002 - the time is of no use here
        sound = self._sound
        self._put(
            {
                names.AUDIO_DURATION_MS: sound.duration_ms(),
                names.AUDIO_BYTES: sound.size or None,
                names.AUDIO_MIME_TYPE: sound.mime_type,
            }
        )
        if sound.words.length:
            role = "user" if self.kind == "audio_input" else "assistant"
            self._attributes |= message(role, sound.words.text(), capture=self._captures, length=sound.words.length)


@lru_cache(64)
def bytes_per_second(mime_type: str, rate: int) -> int | None:
    """Return the bytes of one second of 16-bit PCM; None for any other format.

    Args:
        mime_type: as RFC 2586 has it: `audio/L16; rate=16000; channels=1`.
        rate: samples a second where it does not say.
    """
    kind, *parameters = (part.strip().lower() for part in mime_type.split(";"))
    if kind not in _PCM:
        return None
    given = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
    try:
        second = 2 * int(given.get("rate", rate)) * int(given.get("channels", 1))
    except ValueError:
        return None
    return second if second > 0 else None
