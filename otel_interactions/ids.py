"""A session is a trace: its trace id and its root span id follow from the session id alone.

    SHA-256(session id, UTF-8)  =  | trace id, 16 bytes | root span id, 8 bytes | not used, 8 bytes |

So any process, in any language, adds to a session without asking anybody, and looking a session up is looking a trace
up. SHA-256 spreads its bits evenly, so ratio samplers, which read the last 7 bytes of the trace id, stay fair and take
the same decision for a session in every process.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

TRACE_BYTES = 16
SPAN_BYTES = 8

_root: ContextVar[tuple[int, int] | None] = ContextVar("otel_interactions_root", default=None)


def session_ids(session_id: str) -> tuple[int, int]:
    """Return (trace id, root span id) of a session; neither is ever 0, which OpenTelemetry calls invalid."""
    digest = hashlib.sha256(session_id.encode("utf-8", "replace")).digest()
    trace_id = int.from_bytes(digest[:TRACE_BYTES])
    span_id = int.from_bytes(digest[TRACE_BYTES : TRACE_BYTES + SPAN_BYTES])
    return trace_id or 1, span_id or 1


def new_id(purpose: str) -> str:
    """Return a new id, never the same twice: of a session ("session"), or of a call of a tool ("call")."""
    return str(uuid.uuid4()) if purpose == "session" else f"call_{os.urandom(16).hex()}"


class SessionIdGenerator(IdGenerator):
    """Ids as another generator makes them, save for the root span of a session.

    Args:
        others: makes the ids of all other spans; random ones unless given.
    """

    def __init__(self, others: IdGenerator | None = None) -> None:
        self._others = others or RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """Return the session's trace id inside `root_ids`, else a new one."""
        root = _root.get()
        return root[0] if root else self._others.generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the session's root span id inside `root_ids`, else a new one."""
        root = _root.get()
        return root[1] if root else self._others.generate_span_id()

    def is_trace_id_random(self) -> bool:
        """Return whether the ids of all other spans are random; those of sessions are spread as evenly."""
        return self._others.is_trace_id_random()


@contextmanager
def root_ids(trace_id: int, span_id: int) -> Iterator[None]:
    """Give the one span started inside the block, by this thread or task alone, the ids of a session's root."""
    token = _root.set((trace_id, span_id))
    try:
        yield
    finally:
        _root.reset(token)
