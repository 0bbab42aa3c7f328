"""One append-only file of checksummed frames; frozen, it is a batch.

A segment holds one signal, because each has a table of its own to go to. It is named by its birth, in nanoseconds since
1970, eight random hex digits and the signal (`01790000000000000000-1a2b3c4d-traces`), so names sort by age and never
repeat, also across processes and restarts. `.open` is being written; `.ready` is frozen and will be loaded under that
very name as its deduplication token; nothing is ever appended to it again. The only way from one to the other is
`freeze`.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from collector import files
from collector.errors import SegmentDamaged
from collector.journal import frame
from collector.request import Request, Signal

log = logging.getLogger(__name__)

OPEN = ".open"
READY = ".ready"
_IOV_MAX = 1024  # Linux and macOS take no more buffers in one writev


class Segment:
    """The segment being written. Not thread safe: the writer's thread owns it."""

    def __init__(self, folder: Path, signal: Signal) -> None:
        """Create the file with its head, durably enough that a frame's sync covers it."""
        self.name = f"{time.time_ns():020d}-{secrets.token_hex(4)}-{signal.name.lower()}"
        self.path = folder / (self.name + OPEN)
        self.opened_at = time.monotonic()
        self.frames = 0
        self.items = 0
        self.size = 0
        self.weight = 0
        self._sound = True
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self._write([frame.encode_head(self.name)])
            files.sync_folder(folder)
        except OSError:
            self.discard()
            raise

    def append(self, requests: Iterable[Request]) -> None:
        """Write the requests and sync once; on return all of them are durable.

        Raises:
            OSError: nothing of this call is kept: the file is cut back to where it was. If not even that works, the
                segment takes no more, because what follows garbage is not found again.
        """
        if not self._sound:
            raise OSError(errno.EIO, "the segment could not be cut back after a failed write")
        pieces: list[bytes] = []
        before, frames, items, weight = self.size, 0, 0, 0
        for request in requests:
            pieces.extend(frame.encode(request))
            frames += 1
            items += request.items
            weight += request.weight
        try:
            self._write(pieces)
            os.fdatasync(self._descriptor)
        except OSError:
            self._cut_back(before)
            raise
        self.frames += frames
        self.items += items
        self.weight += weight

    def _cut_back(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError:
            self._sound = False
            log.exception("journal segment %s takes no more", self.path.name)
        self.size = size

    @property
    def sound(self) -> bool:
        """Whether it can still be appended to."""
        return self._sound

    def _write(self, pieces: list[bytes]) -> None:
        for at in range(0, len(pieces), _IOV_MAX):
            chunk = pieces[at : at + _IOV_MAX]
            wanted = sum(map(len, chunk))
            written = os.writev(self._descriptor, chunk)
            self.size += written
            while written < wanted:  # a signal or a nearly full disk may cut a write short
                rest = b"".join(chunk)[written:]
                written += (more := os.write(self._descriptor, rest))
                self.size += more

    def age(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self.opened_at

    def freeze(self) -> Path:
        """Close it for ever and return its frozen path.

        Raises:
            OSError: the disk refused the rename; what was acknowledged is safe in the open file, try again.
        """
        if not self._sound:  # garbage behind the last good frame
            frozen = recover(self.path)
            if frozen is None:
                raise OSError(errno.EIO, "the segment lost its frames")
        else:
            frozen = self.path.with_suffix(READY)
            files.rename(self.path, frozen)
        os.close(self._descriptor)
        return frozen

    def discard(self) -> None:
        """Remove a segment that holds no frame."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)


def read(path: Path) -> tuple[memoryview, list[memoryview]]:
    """Read a frozen segment through; return its head and its frames, every checksum compared.

    Raises:
        SegmentDamaged: a frame does not read back as it was written, or the head is another segment's.
    """
    data = memoryview(path.read_bytes())
    name, at = frame.read_head(data)
    if name != path.stem:
        raise SegmentDamaged(f"journal segment {path.name} calls itself {name}")
    head, whole = data[:at], []
    for start, end in frame.frames(data, at):
        whole.append(data[start:end])
        at = end
    if at != len(data):
        raise SegmentDamaged(f"journal segment {path.name} is damaged at byte {at} of {len(data)}")
    return head, whole


def count(path: Path) -> int:
    """Return how many requests a frozen segment holds, as far as it reads."""
    data = memoryview(path.read_bytes())
    try:
        _, at = frame.read_head(data)
    except SegmentDamaged:
        return 0
    return sum(1 for _ in frame.frames(data, at))


def oldest_first(folder: Path) -> list[Path]:
    """Frozen segments that wait to be loaded."""
    return sorted(folder.glob("*" + READY))


def age_seconds(path: Path) -> float:
    """Seconds since a segment was opened, read off its name."""
    return max(0.0, (time.time_ns() - int(path.stem.split("-", 1)[0])) / 1e9)


def recover(path: Path) -> Path | None:
    """Freeze a segment that a crash left open, without its torn tail; return its frozen path, or None if it is empty.

    What is cut off was never acknowledged; it is kept beside it as `.torn`, for whoever wants to look. If the disk
    itself damaged something earlier, that file is the place to find the frames behind it.
    """
    data = memoryview(path.read_bytes())
    head = frame.encode_head(path.stem)  # what it must begin with is known from its name
    if len(data) < len(head) or not any(data):
        path.unlink()  # the crash came before the first sync
        return None
    good = len(head)
    if data[:good] != head:
        _keep_torn(path, data)
        path.unlink()
        return None
    for _, end in frame.frames(data, good):
        good = end
    if good < len(data):
        _keep_torn(path, data[good:])
        with path.open("r+b") as file:
            file.truncate(good)
            os.fsync(file.fileno())
    if good == len(head):
        path.unlink()
        return None
    frozen = path.with_suffix(READY)
    files.rename(path, frozen)
    return frozen


def _keep_torn(path: Path, data: memoryview) -> None:
    torn = path.with_suffix(".torn")
    log.warning("journal segment %s: %d bytes at its end are torn, kept in %s", path.name, len(data), torn.name)
    try:
        files.write_whole(torn, bytes(data))
    except OSError:  # a full disk must not keep the collector from starting
        log.exception("journal segment %s: the torn bytes could not be kept", path.name)
