"""What google-genai gives and takes, read without importing it: its objects, or mappings of the same names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from otel_interactions import conventions as names
from otel_interactions.values import as_text

_CLOSE_CODES: Final = range(1000, 5000)  # what is below is a status of HTTP


def read(value: Any, *path: str) -> Any:
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


def text_of(part: Any) -> str | None:
    """Return the text of one part of a message; None where it is something else."""
    text = part if isinstance(part, str) else read(part, "text")
    return text if isinstance(text, str) else None


def size(blob: Any) -> int:
    """Return the bytes of a chunk."""
    data = read(blob, "data")
    return len(data) if isinstance(data, bytes | bytearray | memoryview | str) else 0


def tokens(usage: Any) -> dict[str, int]:
    """Return the tokens of one message; Google counts those of thoughts and of tools apart, OpenTelemetry does not."""
    thoughts = read(usage, "thoughts_token_count")
    counted = {
        names.GEN_AI_INPUT_TOKENS: _sum(read(usage, "prompt_token_count"), read(usage, "tool_use_prompt_token_count")),
        names.GEN_AI_OUTPUT_TOKENS: _sum(read(usage, "response_token_count"), thoughts),
        names.GEN_AI_CACHED_TOKENS: _sum(read(usage, "cached_content_token_count")),
        names.GEN_AI_REASONING_TOKENS: _sum(thoughts),
        names.AUDIO_INPUT_TOKENS: _sum(*_of_sound(read(usage, "prompt_tokens_details"))),
        names.AUDIO_OUTPUT_TOKENS: _sum(*_of_sound(read(usage, "response_tokens_details"))),
    }
    return {name: count for name, count in counted.items() if count is not None}


def _of_sound(details: Iterable[Any] | None) -> list[Any]:
    return [read(each, "token_count") for each in details or () if as_text(read(each, "modality")) == "AUDIO"]


def _sum(*counts: Any) -> int | None:
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if known else None


def close_code(error: Exception) -> int | None:
    """Return the code a WebSocket was closed with, if that is what the exception says; 1006 where none came.

    google-genai gives it as its APIError's code when receiving; when sending the exception is websockets' own.
    """
    if type(error).__name__.startswith("ConnectionClosed"):
        return read(error, "rcvd", "code") or 1006
    code = getattr(error, "code", None)
    return code if isinstance(code, int) and code in _CLOSE_CODES else None


def close_reason(error: Exception) -> str:
    """Return what the other side said when it closed the WebSocket."""
    reason = read(error, "rcvd", "reason") or read(error, "details")
    return reason if isinstance(reason, str) else ""


def hashed(handle: Any) -> str:
    """Return what stands for a handle that resumes a session: nobody can resume with it."""
    return hashlib.sha256(as_text(handle).encode()).hexdigest()[:16]
