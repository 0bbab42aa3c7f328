"""Group commit: one thread, one write and one sync for all requests that wait, then each is acknowledged.

While a sync runs, new requests queue, and the next sync covers them all. So the cost of a sync is shared by as many
requests as arrive during one, and a lone request waits for one sync only.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collector.errors import Retryable
from collector.journal import segment
from collector.request import Request, Signal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is frozen: whichever comes first.

    Attributes:
        items: spans and log records. Every insert has a fixed cost (ClickHouse analyses the views anew, some 0.15 s),
            so while segments still wait to be loaded, this limit is stretched and only the others hold: the more
            there is to do, the cheaper each span gets.
        size: bytes, in the file or, where larger, unfolded in ClickHouse (`Request.weight`).
        seconds: age since its first request.
    """

    items: int
    size: int
    seconds: float


class Backlog(Protocol):
    """Where frozen segments go."""

    def enqueue(self, segment: Path, requests: int) -> None:
        """Take a frozen segment, oldest first, with the number of requests in it."""

    def is_busy(self) -> bool:
        """Tell whether segments wait."""


_Waiting = tuple[Request, "asyncio.Future[None]"]


class Journal:
    """The journal of one collector: `append` returns once the request is durable."""

    def __init__(self, folder: Path, limits: Limits, backlog: Backlog) -> None:
        """Prepare the folder; nothing runs before `start`."""
        self.folder = folder
        self._limits = limits
        self._backlog = backlog
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._stopping = False
        self._open: dict[Signal, segment.Segment] = {}
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Hand over what an earlier process left, then accept. Call it inside the event loop that will append."""
        self._loop = asyncio.get_running_loop()
        for path in sorted(self.folder.glob("*" + segment.OPEN)):
            segment.recover(path)
        for path in segment.oldest_first(self.folder):
            self._backlog.enqueue(path, segment.count(path))
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
            self._waiting.append((request, future))
            self._condition.notify()
        await future

    def stop(self) -> None:
        """Write what waits, freeze the open segments, end the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def filling(self) -> tuple[int, float]:
        """Return the requests in the segments being filled and the age in seconds of the older; 0, 0.0 without one."""
        current = list(self._open.values())
        return sum(each.frames for each in current), max((each.age() for each in current), default=0.0)

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._waiting and not self._stopping:
                    self._condition.wait(self._seconds_to_freeze())
                waiting, self._waiting = self._waiting, []
                stopping = self._stopping
            for signal in Signal:
                if mine := [each for each in waiting if each[0].signal is signal]:
                    self._commit(signal, mine)
            for signal, current in list(self._open.items()):
                if stopping or self._is_full(current):
                    self._freeze(signal)
            if stopping and not waiting:
                return

    def _seconds_to_freeze(self) -> float | None:
        ages = [each.age() for each in self._open.values()]
        if not ages:
            return None
        return min(max(0.0, self._limits.seconds - max(ages)), threading.TIMEOUT_MAX)

    def _is_full(self, current: segment.Segment) -> bool:
        limits = self._limits
        enough = current.items >= limits.items and not self._backlog.is_busy()
        large = max(current.size, current.weight) >= limits.size
        return enough or large or current.age() >= limits.seconds or not current.sound

    def _commit(self, signal: Signal, waiting: list[_Waiting]) -> None:
        error: Retryable | None = None
        try:
            if signal not in self._open:
                self._open[signal] = segment.Segment(self.folder, signal)
            self._open[signal].append([request for request, _ in waiting])
        except Exception as cause:
            log.exception("journal: %d requests refused, the disk did not take them", len(waiting))
            error = Retryable(f"the journal could not be written: {getattr(cause, 'strerror', None) or cause}")
        assert self._loop is not None  # noqa: S101 - start() set it before the thread ran
        self._loop.call_soon_threadsafe(_resolve, [future for _, future in waiting], error)

    def _freeze(self, signal: Signal) -> None:
        current = self._open[signal]
        try:
            if current.frames:
                self._backlog.enqueue(current.freeze(), current.frames)
            else:
                current.discard()
        except OSError:  # all of it is on disk and acknowledged: the next start recovers it
            log.exception("journal segment %s could not be frozen; the next start loads it", current.path.name)
        del self._open[signal]  # only now, so that whoever counts what waits never misses it


def _resolve(futures: list[asyncio.Future[None]], error: Retryable | None) -> None:
    for future in futures:
        if future.done():  # the caller went away; what it sent is kept all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
