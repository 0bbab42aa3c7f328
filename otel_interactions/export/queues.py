"""What waits to be sent, in order: in memory, or in files that outlive the process.

One thread at a time takes from a queue (the sender's); any thread may put something in.

    put --> spool file --> plan --> (sent) --> settle
    put --> memory, while the disk does not take it --> plan --> (sent) --> settle
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from otel_interactions.export.encoding import Origin
from otel_interactions.export.frames import MAX_ORIGINS, Batch
from otel_interactions.export.spool import Folder, Segment

_logger = logging.getLogger("otel_interactions")

_PAUSE: Final = 10.0  # seconds without the spool after the disk refused it
_LEAST_FILE, _MOST_FILE = 64 << 10, 4 << 20  # bytes of one file
_FILES: Final = 16  # at least so many make a full spool: they go one at a time
_ADOPTED: Final = 16  # files at a time
_SENT_ENOUGH: Final = 64 << 10  # bytes of a file that is all sent and not worth writing on


class Queue(Protocol):
    """Spans in the order they are sent."""

    def put(self, origin: Origin, span: bytes) -> str:
        """Take a span; return "" or why it was not taken."""

    def plan(self, spans: int, size: int) -> Batch | None:
        """Return the next batch; it stays the next one until it is settled or split."""

    def split(self, batch: Batch) -> None:
        """Have the first half of a batch be the next one: it was refused, and nothing of it taken."""

    def settle(self, batch: Batch) -> bool:
        """Forget a batch; return False if the queue was closed meanwhile, and its fate is told already."""

    def waiting(self) -> tuple[int, int]:
        """Return how many spans wait in memory, and how many in files."""

    def adopt(self) -> int:
        """Take over what processes left that have ended; return how many spans."""

    def size(self) -> int:
        """Return how many bytes wait in files."""

    def close(self) -> int:
        """Take nothing any more, let go of the files; return how many spans are lost with the memory."""

    def forget(self) -> None:
        """Be empty, in a forked child."""


class Memory:
    """A queue in memory.

    Args:
        spans: the most that wait.
        size: the most bytes of them.
    """

    def __init__(self, spans: int, size: int) -> None:
        self._spans, self._size = spans, size
        self._waiting: deque[tuple[Origin, bytes]] = deque()
        self._bytes = 0
        self._lock = threading.RLock()
        self._planned: Batch | None = None

    def put(self, origin: Origin, span: bytes) -> str:
        """Take a span unless too much waits."""
        with self._lock:
            if len(self._waiting) >= self._spans or self._bytes + len(span) > self._size:
                return "queue_full"
            self._waiting.append((origin, span))
            self._bytes += len(span)
        return ""

    def plan(self, spans: int, size: int) -> Batch | None:
        """Return the next batch."""
        with self._lock:
            if self._planned is None:
                taken: list[tuple[Origin, bytes]] = []
                for each in self._waiting:
                    size -= len(each[1])
                    if len(taken) == spans or (taken and size < 0):
                        break
                    taken.append(each)
                self._planned = Batch(taken, 0, len(taken)) if taken else None
            return self._planned

    def split(self, batch: Batch) -> None:
        """Have the first half be the next batch."""
        half = batch.spans[: len(batch.spans) // 2]
        with self._lock:
            if self._planned is batch:  # not closed meanwhile
                self._planned = Batch(half, 0, len(half))

    def settle(self, batch: Batch) -> bool:
        """Forget the first spans."""
        with self._lock:
            if self._planned is not batch:
                return False
            for _ in batch.spans:
                self._bytes -= len(self._waiting.popleft()[1])
            self._planned = None
        return True

    def waiting(self) -> tuple[int, int]:
        """Return how many wait here."""
        return len(self._waiting), 0

    def adopt(self) -> int:
        """Nobody leaves anything in memory."""
        return 0

    def size(self) -> int:
        """Nothing is in files."""
        return 0

    def close(self) -> int:
        """Lose what waits, and all that comes."""
        with self._lock:
            left = len(self._waiting)
            self._waiting.clear()
            self._spans, self._bytes, self._planned = 0, 0, None
        return left

    def forget(self) -> None:
        """Be empty in a forked child: what waits is the parent's."""
        self._lock = threading.RLock()
        self._waiting, self._bytes, self._planned = deque(), 0, None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the spool may be used.

    Attributes:
        size: bytes of all files for one collector.
        age: seconds after which what could not be sent is deleted.
        drop_oldest: whether the oldest file goes when it is full, or new spans wait in memory and then go.
    """

    size: int
    age: float
    drop_oldest: bool


class Spool:
    """A queue in files, and in memory while the disk does not take them.

    Args:
        folder: where the files are.
        name: gives each file a name of its own.
        limits: how much of it may be used.
        memory: takes what the disk does not.
        lost: told how many spans are given up, and why.
    """

    def __init__(
        self,
        folder: Folder,
        name: Callable[[], str],
        limits: Limits,
        memory: Memory,
        lost: Callable[[int, str, str], None],
    ) -> None:
        self._folder, self._name, self._limits, self._memory, self._lost = folder, name, limits, memory, lost
        self._file_size = min(max(limits.size // _FILES, _LEAST_FILE), _MOST_FILE)
        self._sending = threading.RLock()  # held by the sender while it reads, and by whoever closes the files
        self._lock = threading.RLock()  # a signal handler may record while its thread is in here
        self._segments: deque[Segment] = deque()  # oldest first
        self._own: Segment | None = None  # the last of them, while it is written
        self._not_before = 0.0
        self._planned: tuple[Segment | None, Batch] | None = None
        self._reading: Segment | None = None  # the file a batch is read from, until it is settled: nobody may close it
        self._closed = False
        self._kept = 0  # spans in the files when they were closed
        self.trouble = ""  # what the disk said last, "" while it takes what comes

    def put(self, origin: Origin, span: bytes) -> str:
        """Write a span to the file, or keep it in memory."""
        with self._lock:
            if not (self._closed or (self._not_before and time.monotonic() < self._not_before)):
                try:
                    self._write(origin, span)
                except OSError as error:
                    self._refused(error)
                else:
                    return ""
        return self._memory.put(origin, span)

    def _write(self, origin: Origin, span: bytes) -> None:
        own = self._own
        if own is None or (own.end > self._file_size) or len(own.origins) >= MAX_ORIGINS:
            own = self._own = self._next()
        own.append(origin, span)
        self.trouble, self._not_before = "", 0.0

    def _refused(self, error: OSError) -> None:
        if not self.trouble:
            _logger.warning(
                "the spool %s cannot be written, spans wait in memory: %s; tried again every %d s",
                self._folder.path,
                error.strerror or error,
                _PAUSE,
            )
        self.trouble = str(error)
        own = self._own
        if own is not None and not own.spans and own is not self._reading:
            self._drop(own, "", "")  # nothing fits in: many of them would be many open files
        self._own, self._not_before = None, time.monotonic() + _PAUSE

    def _next(self) -> Segment:
        """Begin a file, when there is room. Raises OSError."""
        self._own = None
        while self._folder.size() + self._file_size > self._limits.size:
            if not (self._limits.drop_oldest and self._drop_oldest()):
                raise OSError(errno.EDQUOT, f"it is full ({self._limits.size} bytes)", str(self._folder.path))
        segment = self._folder.create(self._name())
        self._segments.append(segment)
        return segment

    def _drop_oldest(self) -> bool:
        """Delete the oldest file of ours that is not being sent; return False if there is none."""
        for segment in self._segments:
            if segment is not self._reading:
                self._drop(segment, "spool_full", f"the spool has {self._limits.size} bytes")
                return True
        return False

    def _drop(self, segment: Segment, reason: str, error: str) -> None:
        self._segments.remove(segment)
        segment.close(delete=True)
        self._lost(segment.spans, reason, error)

    def plan(self, spans: int, size: int) -> Batch | None:
        """Return the next batch: from the oldest file, from memory when they are done with."""
        with self._sending:
            while self._planned is None:
                with self._lock:
                    segment = self._reading = self._segments[0] if self._segments else None
                    end = segment.end if segment else 0
                if segment is None or (segment is self._own and segment.done):
                    waiting = self._memory.plan(spans, size)
                    if waiting is None:
                        return None
                    self._planned = None, waiting
                    break
                batch = segment.plan(spans, size)
                if batch.spans:
                    self._planned = segment, batch
                else:
                    self._finish(segment, damaged=batch.end < end)
            return self._planned[1]

    def _finish(self, segment: Segment, *, damaged: bool) -> None:
        """Delete a file of which nothing more can be read, unless more came meanwhile to our own."""
        with self._lock:
            if segment is self._own:
                if not (damaged or segment.done):
                    return
                self._own = None
            self._drop(segment, "unreadable", f"{segment.path} is damaged")

    def split(self, batch: Batch) -> None:
        """Have the first half of a batch be the next one."""
        with self._sending:
            if self._planned is None:
                return
            segment, _ = self._planned
            if segment is None:
                self._memory.split(batch)
                self._planned = None
            else:
                self._planned = segment, segment.split(batch)

    def settle(self, batch: Batch) -> bool:
        """Forget a batch, and its file with the last of it."""
        with self._sending:
            if self._planned is None:
                return False
            segment, self._planned, self._reading = self._planned[0], None, None
            if segment is None:
                return self._memory.settle(batch)
            with self._lock:
                segment.settle(batch)
                if segment.done and (segment is not self._own or segment.end > _SENT_ENOUGH):
                    self._own = None if segment is self._own else self._own
                    self._segments.remove(segment)
                    segment.close(delete=True)
        return True

    def adopt(self) -> int:
        """Take over what processes left that have ended; give up what is too old. Return how many spans were found."""
        if self._planned is not None:
            return 0
        found = list(islice(self._folder.orphans(), _ADOPTED))
        with self._lock:
            if self._closed:
                for segment in found:
                    segment.close(delete=False)
                return 0
            self._segments.extendleft(reversed(found))
            spans = sum(segment.spans for segment in found)
            for segment in found:
                if segment.damaged:
                    spans += 1
                    self._lost(1, "unreadable", f"{segment.path} is damaged: at least one span in it is lost")
            for segment in [each for each in self._segments if each is not self._own]:
                if time.time() - os.fstat(segment.descriptor).st_mtime > self._limits.age:
                    self._drop(segment, "expired", f"not sent within {self._limits.age:.0f} s")
        return spans

    def waiting(self) -> tuple[int, int]:
        """Return how many spans wait in memory, and how many in files."""
        with self._lock:
            return self._memory.waiting()[0], self._kept + sum(segment.spans for segment in self._segments)

    def size(self) -> int:
        """Return how many bytes of our files wait."""
        with self._lock:
            return sum(segment.end - segment.settled for segment in self._segments)

    def close(self) -> int:
        """Let go of the files: the next process sends what is left in them."""
        with self._sending, self._lock:
            self._closed, self._own, self._planned = True, None, None
            while self._segments:
                segment = self._segments.popleft()
                self._kept += segment.spans
                segment.close(delete=not segment.spans)
            return self._memory.close()

    def forget(self) -> None:
        """Be empty in a forked child: what waits is the parent's, and so are the locks of its files."""
        self._sending, self._lock = threading.RLock(), threading.RLock()
        for segment in self._segments:
            os.close(segment.descriptor)
            os.close(segment.sent)
        self._segments, self._own, self._planned, self._reading, self._kept = deque(), None, None, None, 0
        self._memory.forget()
