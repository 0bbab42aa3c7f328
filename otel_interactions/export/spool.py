"""The spool: a folder of files in which what is recorded waits until the collector has it, whatever becomes of us.

    FOLDER/DESTINATION/                   one for each collector, so that nothing is sent to another one
        TIME-INSTANCE-NUMBER.spool        written by one process, which holds its lock as long as it lives (frames.py)
        TIME-INSTANCE-NUMBER.sent         how far it is sent

A recording call returns when its span is in the file: the kernel has it then, and a process that is killed loses
nothing. (Nothing is synced: a machine that loses its power may lose the last seconds.) A file whose lock can be had
belongs to a process that has ended; whoever finds it sends the rest and deletes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_interactions.export.encoding import Origin
from otel_interactions.export.frames import (
    MAGIC,
    SENT,
    Batch,
    Reader,
    origin_frame,
    read_progress,
    span_frame,
    write_progress,
)

SPOOL: Final = ".spool"
_NEW: Final = ".new"
_ABOUT: Final = "destination.txt"
_STALE: Final = 3600.0  # seconds after which a file that was never finished being made is nobody's
EVERYTHING: Final = 1 << 62


@dataclass(slots=True)
class Segment:
    """One file of the spool, open and locked by this process.

    Attributes:
        path: where it is.
        descriptor: the file.
        sent: the file that says how far it is sent.
        reader: where sending is.
        end: offset behind the last whole frame.
        origins: the numbers of the origins in it; used by the one that writes.
        spans: how many spans it holds that are not settled.
        settled: offset before which nothing is left to do.
        planned: offset behind a batch that was being sent when the process before ended; 0 for none.
        damaged: whether more was in it, which cannot be read.
    """

    path: Path
    descriptor: int
    sent: int
    reader: Reader
    end: int
    origins: dict[Origin, int] = field(default_factory=dict)
    spans: int = 0
    settled: int = len(MAGIC)
    planned: int = 0
    damaged: bool = False

    def append(self, origin: Origin, span: bytes) -> None:
        """Write a span behind the others.

        Raises:
            OSError: the disk does not take it; the file is as before.
        """
        number = self.origins.get(origin)
        if number is None:
            self._write(origin_frame(len(self.origins), origin))
            number = self.origins[origin] = len(self.origins)
        self._write(span_frame(number, span))
        self.spans += 1

    def _write(self, frame: bytes) -> None:
        written = os.write(self.descriptor, frame)
        if written < len(frame):
            os.ftruncate(self.descriptor, self.end)
            raise OSError(errno.ENOSPC, "no space left for a whole frame", str(self.path))
        self.end += written

    @property
    def done(self) -> bool:
        """Whether there is nothing more to be planned."""
        return self.reader.at >= self.end

    def plan(self, spans: int, size: int) -> Batch:
        """Return the next spans to be sent, written down as planned; an empty batch if none can be read.

        Raises:
            OSError: not now.
        """
        if self.planned > self.reader.at:
            batch = self.reader.batch(self.planned, EVERYTHING, EVERYTHING)
        else:
            batch = self.reader.batch(self.end, spans, size)
        if batch.spans:
            try:
                write_progress(self.sent, batch.start, batch.end)
            except OSError:
                self.reader.at = batch.start
                raise
        return batch

    def split(self, batch: Batch) -> Batch:
        """Return the first half of a batch, which is planned in its place. Raises OSError."""
        self.reader.at, self.planned = batch.start, 0
        return self.plan(len(batch.spans) // 2, EVERYTHING)

    def settle(self, batch: Batch) -> None:
        """Write down that nothing is left to do about a batch."""
        self.spans -= len(batch.spans)
        self.settled = self.reader.at = batch.end
        with contextlib.suppress(OSError):  # a full disk: after a crash it is sent again, and recognised as the same
            write_progress(self.sent, batch.end, batch.end)

    def close(self, *, delete: bool) -> None:
        """Let go of the file: whoever comes next may have it."""
        if delete:
            with contextlib.suppress(OSError):
                write_progress(self.sent, self.end, self.end)  # if it cannot be deleted, nobody sends it again
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
                self.path.with_suffix(SENT).unlink(missing_ok=True)
        os.close(self.descriptor)
        os.close(self.sent)


class Folder:
    """The files for one collector.

    Args:
        root: the spool's folder, for all collectors.
        endpoint: the collector's address.
        headers: what is sent along; with another key the same collector counts as another one.
    """

    def __init__(self, root: Path, endpoint: str, headers: Mapping[str, str] | None = None) -> None:
        about = json.dumps([endpoint, sorted((headers or {}).items())])
        self.path = root / hashlib.sha256(about.encode()).hexdigest()[:16]
        self._endpoint = endpoint

    def create(self, name: str) -> Segment:
        """Make a file and keep its lock. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = self.path / _ABOUT
        if not about.exists():
            about.write_text(f"{self._endpoint}\n")
        new = self.path / (name + _NEW)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(new, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _begin(descriptor, new)
            sent = self._begin_sent(self.path / (name + SENT))
        except BaseException:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        path = new.with_suffix(SPOOL)
        new.rename(path)  # only now others see it, and it is locked
        return Segment(path, descriptor, sent, Reader(descriptor), len(MAGIC))

    def orphans(self) -> Iterator[Segment]:
        """Take over, oldest first, the files of processes that have ended."""
        for path in self.files():
            segment = self._adopt(path)
            if segment is not None:
                yield segment
        for path in self.path.glob("*" + _NEW):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def files(self) -> list[Path]:
        """Return the spool files, oldest first."""
        return _files(self.path)

    def size(self) -> int:
        """Return how many bytes the spool files have."""
        return _size(self.files())

    def _adopt(self, path: Path) -> Segment | None:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # sent and deleted meanwhile, or not ours to read
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            told = os.fstat(descriptor)
            if not told.st_nlink:
                raise BlockingIOError
            sent = self._open_sent(path.with_suffix(SENT))
        except OSError:
            os.close(descriptor)
            return None
        segment = Segment(path, descriptor, sent, Reader(descriptor), told.st_size)
        _resume(segment)
        return segment

    def _begin_sent(self, path: Path) -> int:
        sent = self._open_sent(path)
        try:
            write_progress(sent, len(MAGIC), len(MAGIC))  # it has its block: what waits is sent from a full disk too
        except BaseException:
            os.close(sent)
            path.unlink(missing_ok=True)
            raise
        return sent

    @staticmethod
    def _open_sent(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _begin(descriptor: int, path: Path) -> None:
    if os.write(descriptor, MAGIC) != len(MAGIC):
        raise OSError(errno.ENOSPC, "no space left for a file", str(path))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + SPOOL))


def _written(path: Path) -> float:
    """Return when a file was last written, now if it is sent and deleted meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _size(files: Iterable[Path]) -> int:
    total = 0
    for path in files:
        with contextlib.suppress(OSError):  # sent and deleted meanwhile
            total += path.stat().st_size
    return total


@dataclass(frozen=True, slots=True)
class Waiting:
    """What lies in the spool for one collector.

    Attributes:
        endpoint: the collector's address.
        folder: where.
        files: how many files there are.
        size: bytes of them, what is sent already included.
        oldest: when the one was last written that has not been for longest, seconds since 1970.
    """

    endpoint: str
    folder: Path
    files: int
    size: int
    oldest: float


def waiting(root: Path) -> list[Waiting]:
    """Return what lies in a spool, by collector; no file is opened, and none is taken over."""
    found = []
    for about in sorted(root.glob(f"*/{_ABOUT}")):
        if files := _files(about.parent):
            oldest = min(map(_written, files))
            found.append(Waiting(about.read_text().strip(), about.parent, len(files), _size(files), oldest))
    return found


def _resume(segment: Segment) -> None:
    """Go to where the one before had come; count what is left."""
    settled, planned = read_progress(segment.sent)
    reader = segment.reader
    reader.batch(min(settled, segment.end), EVERYTHING, EVERYTHING)
    segment.settled = reader.at
    segment.spans = len(reader.batch(segment.end, EVERYTHING, EVERYTHING).spans)
    segment.damaged = reader.is_damaged(segment.end)
    segment.end, reader.at = reader.at, segment.settled
    segment.planned = min(planned, segment.end)
