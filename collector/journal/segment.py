"""One append-only file of checksummed frames; frozen, it is a batch.

A segment holds one signal, because each has a table of its own to go to; what is urgent has segments of its own.
`.open` is being written; `.ready` is frozen and will be loaded under its name (`names.py`) as its deduplication token;
nothing is ever appended to it again. The only way from one to the other is `freeze`.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from collector import files
from collector.errors import SegmentDamaged
from collector.journal import frame, names
from collector.journal.ledger import Ledger
from collector.journal.names import OPEN, READY
from collector.request import Request, Signal

log = logging.getLogger(__name__)

_IOV_MAX = 1024  # Linux and macOS take no more buffers in one writev
# Asking again does not help against these, unlike against a lack of memory or of file descriptors.
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR, errno.ELOOP, errno.ENOENT})


class Segment:
    """The segment being written. Not thread safe: the writer's thread owns it.

    Attributes:
        path: where it lies.
        size: bytes of it that count: the head and what was acknowledged.
        frames: requests in it.
        items: spans, log records and data points in them.
        weight: what they weigh unfolded, see `Request.weight`.
        sound: whether it can still be appended to; never again after an error.
        sync_seconds: what the last sync took.
        ledger: what is in it, for the next start and for bodies that are sent again.
    """

    def __init__(self, folder: Path, signal: Signal, *, urgent: bool = False, durable: bool = True) -> None:
        """Create the file with its head. Unless `durable`, nothing is ever synced.

        Raises:
            OSError: the disk does not take it; nothing is left of it.
        """
        name = names.make(signal, urgent=urgent)
        self.name = name
        self.path = folder / (name + OPEN)
        self.opened_at = time.monotonic()
        self.frames = self.items = self.size = self.weight = 0
        self.sound = True
        self.ledger = Ledger()
        self.sync_seconds = 0.0
        self._durable = durable
        self._salt = frame.salt_of(name)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self.size = self._write([frame.encode_head(name, self._salt)])
            if durable:
                files.sync_folder(folder)
        except OSError:
            os.close(self._descriptor)
            self.path.unlink()
            raise

    def append(self, requests: Sequence[Request]) -> None:
        """Write the requests and sync once; on return all of them are durable.

        Raises:
            OSError: nothing of this call is kept, and the segment takes no more: after a failed sync the system may
                have dropped what it could not write, and the next sync would succeed all the same.
        """
        if not self.sound:
            raise OSError(errno.EIO, "the segment takes no more after an error")
        pieces: list[bytes] = []
        for request in requests:
            pieces += frame.encode(request, self._salt)
        try:
            written = self._write(pieces)
            if self._durable:
                began = time.perf_counter()
                os.fdatasync(self._descriptor)
                self.sync_seconds = time.perf_counter() - began
        except OSError:
            self.sound = False
            raise
        self.size += written
        self.frames += len(requests)
        self.items += sum(request.items for request in requests)
        self.weight += sum(request.weight for request in requests)
        self.ledger.add(requests)

    def _write(self, pieces: list[bytes]) -> int:
        total = 0
        for at in range(0, len(pieces), _IOV_MAX):
            chunk = pieces[at : at + _IOV_MAX]
            wanted = sum(map(len, chunk))
            written = os.writev(self._descriptor, chunk)
            while written < wanted:  # a signal or a nearly full disk may cut a write short
                written += os.write(self._descriptor, b"".join(chunk)[written:])
            total += written
        return total

    def age(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self.opened_at

    def freeze(self) -> Path:
        """Close it for ever and return its frozen path.

        Raises:
            OSError: the disk refused; what was acknowledged is safe in the file. Try again, as often as need be.
        """
        if not self.sound:  # what was refused must not come back with the next start, nor after a power cut
            os.ftruncate(self._descriptor, self.size)
            if self._durable:
                os.fsync(self._descriptor)
        if self.path.suffix == OPEN:
            self.path = self.path.rename(self.path.with_suffix(READY))
        if self._durable:
            files.sync_folder(self.path.parent)
        os.close(self._descriptor)
        return self.path

    def discard(self) -> None:
        """Remove a segment that holds no frame. Raises OSError: the disk refused; try again."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def load(path: Path) -> bytes:
    """Return the bytes of a segment's file.

    Raises:
        SegmentDamaged: it cannot be read, and trying again would not help.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        raise SegmentDamaged(f"journal segment {path.name} cannot be read: {error.strerror}") from error


def read(path: Path) -> tuple[memoryview, list[memoryview]]:
    """Read a frozen segment through; return its head and its frames, every checksum compared.

    Raises:
        SegmentDamaged: a frame does not read back as it was written, or the head is another segment's.
    """
    data = memoryview(load(path))
    head = frame.read_head(data)
    if head.name != path.stem:
        raise SegmentDamaged(f"journal segment {path.name} calls itself {head.name}")
    at, whole = head.end, []
    for start, end in frame.frames(data, at, head.salt):
        whole.append(data[start:end])
        at = end
    if at != len(data):
        raise SegmentDamaged(f"journal segment {path.name} is damaged at byte {at} of {len(data)}")
    return data[: head.end], whole
