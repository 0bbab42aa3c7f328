"""Group commit: one thread, one write and one sync for all requests that wait, then each is acknowledged.

While a sync runs, new requests queue, and the next sync covers them all. So the cost of a sync is shared by as many
requests as arrive during one, and a lone request waits for one sync only.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from collector.errors import Retryable
from collector.journal import segment
from collector.request import Request

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is frozen: whichever comes first.

    Attributes:
        items: spans and log records.
        size: bytes.
        seconds: age since its first request.
    """

    items: int
    size: int
    seconds: float


@dataclass(slots=True)
class _Waiting:
    requests: list[Request] = field(default_factory=list)
    futures: list[asyncio.Future[None]] = field(default_factory=list)


class Journal:
    """The journal of one collector: `append` returns once the request is durable.

    Frozen segments are handed to `on_frozen`, oldest first, with the number of requests in each.
    """

    def __init__(self, folder: Path, limits: Limits, on_frozen: Callable[[Path, int], None]) -> None:
        """Prepare the folder; nothing runs before `start`."""
        self.folder = folder
        self._limits = limits
        self._on_frozen = on_frozen
        self._condition = threading.Condition()
        self._waiting = _Waiting()
        self._stopping = False
        self._segment: segment.Segment | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.accepted_requests = 0
        self.accepted_items = 0
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Hand over what an earlier process left, then accept. Call it inside the event loop that will append."""
        self._loop = asyncio.get_running_loop()
        for path in sorted(self.folder.glob("*" + segment.OPEN)):
            segment.recover(path)
        for path in segment.oldest_first(self.folder):
            self._on_frozen(path, segment.count(path))
        self._thread.start()

    async def append(self, request: Request) -> None:
        """Return once the request is on disk; this is where a request may be acknowledged.

        Raises:
            Retryable: it is not on disk: the disk refused it, or the journal is closing.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._condition:
            if self._stopping:
                raise Retryable("the collector is shutting down")
            self._waiting.requests.append(request)
            self._waiting.futures.append(future)
            self._condition.notify()
        await future

    def stop(self) -> None:
        """Write what waits, freeze the open segment, end the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def filling(self) -> tuple[int, float]:
        """Return the requests in the segment being filled and its age in seconds; (0, 0.0) without one."""
        current = self._segment
        return (current.frames, current.age()) if current else (0, 0.0)

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._waiting.requests and not self._stopping:
                    self._condition.wait(self._seconds_to_freeze())
                waiting, self._waiting = self._waiting, _Waiting()
                stopping = self._stopping
            if waiting.requests:
                self._commit(waiting)
            if self._segment and (stopping or self._is_full(self._segment)):
                self._freeze(self._segment)
            if stopping and not waiting.requests:
                return

    def _seconds_to_freeze(self) -> float | None:
        if self._segment is None:
            return None
        return max(0.0, self._limits.seconds - self._segment.age())

    def _is_full(self, current: segment.Segment) -> bool:
        limits = self._limits
        return current.items >= limits.items or current.size >= limits.size or current.age() >= limits.seconds

    def _commit(self, waiting: _Waiting) -> None:
        error: Retryable | None = None
        try:
            if self._segment is None:
                self._segment = segment.Segment(self.folder)
            self._segment.append(waiting.requests)
        except OSError as cause:
            log.exception("journal: %d requests refused, the disk did not take them", len(waiting.requests))
            error = Retryable(f"the journal could not be written: {cause.strerror}")
        else:
            self.accepted_requests += len(waiting.requests)
            self.accepted_items += sum(request.items for request in waiting.requests)
        assert self._loop is not None  # noqa: S101 - start() set it before the thread ran
        self._loop.call_soon_threadsafe(_resolve, waiting.futures, error)

    def _freeze(self, current: segment.Segment) -> None:
        self._segment = None
        if current.frames:
            self._on_frozen(current.freeze(), current.frames)
        else:
            current.discard()


def _resolve(futures: list[asyncio.Future[None]], error: Retryable | None) -> None:
    for future in futures:
        if future.done():  # the caller went away; what it sent is kept all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
