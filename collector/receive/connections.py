"""HTTP connections that cannot be held for nothing: bounded in number, in time and in what they send ahead.

    opened -------- first byte -------- end of head -------- end of body -------- next first byte
    | idle_seconds |   head_seconds    |                    |   idle_seconds     |
                   |   request_seconds, both together ------|

A connection that passes one of them is closed. An endpoint that reads the body itself sets its own, shorter limit and
answers; this one is for all others, and for bodies nobody reads.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)

_LONGEST_HEAD = 64 << 10  # bytes
_MOST_AHEAD = 64  # requests on one connection whose turn has not come
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: text/plain\r\ncontent-length: 21\r\n\r\nToo many connections\n"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take.

    Attributes:
        connections: open at once.
        request_seconds: from the first byte of a request to its last.
        head_seconds: from its first byte to the end of its head.
        idle_seconds: before it and between two; exporters send every few seconds and reuse the connection.
    """

    connections: int
    request_seconds: float
    head_seconds: float = 10.0
    idle_seconds: float = 75.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Which part of a request it waits for, the timer knows."""

    def __init__(self, bounds: Bounds, *args: Any, **kwargs: Any) -> None:
        """Serve one connection within `bounds`."""
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._head = 0  # bytes of the head so far; -1 while a body arrives
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections:
            log.debug("a connection more than %d, closed", self._bounds.connections)
            transport.write(_FULL)
            transport.close()
            return
        self._wait(self._bounds.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let it go."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; close the connection when its head has too many, or too many requests wait behind one another."""
        if self._head >= 0:
            if not self._head:
                self._wait(self._bounds.head_seconds)
            self._head += len(data)
        super().data_received(data)
        if self._head > _LONGEST_HEAD or len(self.pipeline) > _MOST_AHEAD:
            log.debug("a request with a head of %d bytes, or %d of them ahead", self._head, len(self.pipeline))
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Begin with the body."""
        self._head = -1
        self._wait(self._bounds.request_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request: the answer to this one takes as long as it takes."""
        self._head = 0
        self._stop_waiting()
        super().on_message_complete()
        if self.cycle and self.cycle.response_complete:
            self._wait(self._bounds.idle_seconds)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless this one still arrives."""
        super().on_response_complete()
        self._unset_keepalive_if_required()  # ours instead: it also ends bodies that nobody reads
        if self._head == 0 and not self.pipeline and not self.transport.is_closing():
            self._wait(self._bounds.idle_seconds)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
