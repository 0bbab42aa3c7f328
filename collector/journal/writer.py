"""Group commit: one thread, one write and one sync for all requests that wait, then each is acknowledged.

While a sync runs, new requests queue, and the next sync covers them all. So the cost of a sync is shared by as many
requests as arrive during one, and a lone request waits for one sync only.

A disk or a journal without room, or an error of the disk, turns into `Retryable`: nothing of the commit is kept, its
segment takes no more. For a quarter of a second all is refused; then the next request is the one that tries. So it
recovers by itself, and the log has one line for the beginning and one for the end, however many are refused between.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collector.errors import Retryable
from collector.journal.segment import Segment
from collector.journal.store import Remember, Store
from collector.request import Content, Request, Signal

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.25  # between two tries of a disk that refused
_TOLD_SECONDS = 5.0  # after a refused try, requests are said to be refused
_URGENT_SECONDS = 0.2  # between two segments of urgent requests: a flood of them shares the fixed cost of an insert


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is frozen: whichever comes first. One of urgent requests is frozen at once.

    Attributes:
        items: spans and log records. Every insert has a fixed cost (ClickHouse analyses the views anew, some 0.15 s),
            so while another segment is being loaded this limit is stretched and only the others hold: the more there is
            to do, the cheaper each span gets.
        size: bytes, in the file or, where larger, unfolded in ClickHouse (`Request.weight`).
        seconds: age since its first request.
    """

    items: int
    size: int
    seconds: float


class Backlog(Protocol):
    """Where frozen segments go."""

    def enqueue(self, segment: Path, content: Content) -> None:
        """Take a frozen segment, oldest first, and how much is in it."""

    def is_busy(self) -> bool:
        """Tell whether segments are being loaded or wait for it."""


class _Refusing:
    """Whether requests are refused for the journal's sake, until when, and why."""

    def __init__(self) -> None:
        self.until = 0.0
        self.refused = 0
        self._since = 0.0
        self._why = self._hint = ""

    def sentence(self) -> str:
        """Return why, while there were tries of late: without requests nobody would notice that the disk has room."""
        return self._why if time.monotonic() < self.until + _TOLD_SECONDS else ""

    def error(self) -> Retryable:
        return Retryable(self._why, hint=self._hint, reason="journal")

    def begin(self, why: str, hint: str = "") -> None:
        now = time.monotonic()
        if not self._why:
            log.error("journal: requests are refused, to be sent again: %s", why)
            self._since, self.refused = now, 0
        self._why, self._hint, self.until = why, hint, now + _PAUSE_SECONDS

    def end(self) -> None:
        if self._why:
            log.info(
                "journal: takes requests again; %d were refused in %.1f s", self.refused, time.monotonic() - self._since
            )
            self._why, self.until = "", 0.0


_Waiting = tuple[Request, "asyncio.Future[None]"]
_Lane = tuple[bool, Signal]  # whether urgent; each has a segment of its own


class Journal:
    """The journal of one collector: what `append` returns is done once the request is durable."""

    def __init__(
        self, store: Store, limits: Limits, backlog: Backlog, on_sync: Callable[[float], None] = lambda _: None
    ) -> None:
        """Nothing runs before `start`. `on_sync` is told the seconds each sync took."""
        self._store = store
        self._limits = limits
        self._backlog = backlog
        self._on_sync = on_sync
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._stopping = False
        self._open: dict[_Lane, Segment] = {}
        self._due: dict[Segment, str] = {}  # to be frozen, with what the disk said to the last try
        self._freezing = False  # whether all that is open is to be frozen, however small
        self._urgent_at = 0.0  # when the last urgent segment was frozen
        self._refusing = _Refusing()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, remember: Remember) -> None:
        """Hand over what an earlier process left, then accept. Call it inside the event loop that will append.

        `remember` is told what may be sent again of all that was acknowledged before.
        """
        self._loop = asyncio.get_running_loop()
        for path, content in self._store.recover(remember):
            self._backlog.enqueue(path, content)
        self._thread.start()

    def append(self, request: Request) -> asyncio.Future[None]:
        """Return what is done once the request is on disk; then it may be acknowledged.

        Cancelling it takes nothing back. Its error, or the one raised at once, is

        Raises:
            Retryable: it is not on disk: the disk refused it, the journal is full or closing.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._condition:
            if self._stopping:
                raise Retryable("the collector is shutting down")
            if self._refusing.until and self._refusing.until > time.monotonic():
                self._refusing.refused += 1
                raise self._refusing.error()
            self._waiting.append((request, future))
            if len(self._waiting) == 1:
                self._condition.notify()
        return future

    def freeze(self) -> None:
        """Let what was acknowledged so far be loaded now, however little it is; the thread does it, nobody waits."""
        with self._condition:
            self._freezing = True
            self._condition.notify()

    def stop(self) -> None:
        """Write what waits, freeze the open segments, end the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def refusing(self) -> str:
        """Say why requests are being refused; nothing while they are taken."""
        return self._refusing.sentence()

    def filling(self) -> tuple[int, int, float]:
        """Return the requests and items in segments not handed over yet, and the age in seconds of the oldest."""
        current = [*self._open.values(), *self._due]
        requests, items = sum(each.frames for each in current), sum(each.items for each in current)
        return requests, items, max((each.age() for each in current), default=0.0)

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._waiting and not self._stopping and not self._freezing:
                    self._condition.wait(self._seconds_to_freeze())
                waiting, self._waiting = self._waiting, []
                stopping, freezing, self._freezing = self._stopping, self._freezing, False
            lanes: dict[_Lane, list[_Waiting]] = {}
            for each in waiting:
                lanes.setdefault((each[0].urgent, each[0].signal), []).append(each)
            for lane in sorted(lanes, reverse=True):  # urgent ones first
                self._commit(lane, lanes[lane])
            for lane, current in list(self._open.items()):
                if stopping or freezing or self._is_due(lane, current):
                    self._due[current] = ""
                    del self._open[lane]
            self._freeze()
            if stopping and not waiting:
                return

    def _seconds_to_freeze(self) -> float | None:
        now = time.monotonic()
        waits = [
            self._urgent_at + _URGENT_SECONDS - now if urgent else self._limits.seconds - current.age()
            for (urgent, _), current in self._open.items()
        ]
        if self._due:
            waits.append(_PAUSE_SECONDS)
        return min(max(0.0, min(waits)), threading.TIMEOUT_MAX) if waits else None

    def _is_due(self, lane: _Lane, current: Segment) -> bool:
        limits = self._limits
        if lane[0] and time.monotonic() - self._urgent_at >= _URGENT_SECONDS:
            self._urgent_at = time.monotonic()
            return True
        enough = current.items >= limits.items and not self._backlog.is_busy()
        large = max(current.size, current.weight) >= limits.size
        return enough or large or current.age() >= limits.seconds or not current.sound or self._is_full()

    def _is_full(self) -> bool:
        """Tell whether the journal has reached its limit: what is in the open segments must get away too."""
        return self._refusing.until > 0.0

    def _commit(self, lane: _Lane, waiting: list[_Waiting]) -> None:
        error: Retryable | None = None
        try:
            self._write(lane, [request for request, _ in waiting])
            self._refusing.end()
        except Retryable as refusal:
            error = refusal
        except OSError as cause:
            self._refusing.begin(f"the journal cannot be written: {cause.strerror or cause}")
            error = self._refusing.error()
        except Exception as cause:
            log.exception("journal: %d requests refused", len(waiting))
            error = Retryable(f"the journal could not be written: {cause}")
        if error:
            self._refusing.refused += len(waiting)
        assert self._loop is not None  # noqa: S101 - start() set it before the thread ran
        self._loop.call_soon_threadsafe(_resolve, [future for _, future in waiting], error)

    def _write(self, lane: _Lane, requests: list[Request]) -> None:
        filling = sum(each.size for each in [*self._open.values(), *self._due])
        if shortage := self._store.space.shortage(filling, sum(len(each.body) for each in requests)):
            self._refusing.begin(shortage.message, shortage.hint)
            raise self._refusing.error()
        if lane not in self._open:
            urgent, signal = lane
            self._open[lane] = self._store.create(signal, urgent=urgent)
        self._open[lane].append(requests)
        if took := self._open[lane].sync_seconds:
            self._on_sync(took)

    def _freeze(self) -> None:
        """Freeze what is due and hand it over; what the disk refuses is tried again a moment later."""
        for current, said in list(self._due.items()):
            try:
                if current.frames:
                    self._backlog.enqueue(self._store.freeze(current), Content(current.frames, current.items))
                else:
                    current.discard()
            except OSError as error:  # all of it is on disk and acknowledged
                if str(error) != said:
                    log.warning("journal segment %s is not frozen yet: %s", current.path.name, error)
                self._due[current] = str(error)
            else:
                del self._due[current]


def _resolve(futures: list[asyncio.Future[None]], error: Retryable | None) -> None:
    for future in futures:
        if future.done():  # the caller went away; what it sent is kept all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
