"""One append-only file of checksummed frames; frozen, it is a batch.

A segment holds one signal, because each has a table of its own to go to. It is named by its birth, in nanoseconds since
1970, eight random hex digits and the signal (`01790000000000000000-1a2b3c4d-traces`), so names sort by age and never
repeat, also across processes and restarts. `.open` is being written; `.ready` is frozen and will be loaded under that
very name as its deduplication token; nothing is ever appended to it again. The only way from one to the other is
`freeze`.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

from collector.errors import SegmentDamaged
from collector.journal import files, frame
from collector.request import Request, Signal

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
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.size = 0
        self._write([frame.encode_head(self.name)])
        files.sync_folder(folder)

    def append(self, requests: Iterable[Request]) -> None:
        """Write the requests and sync once; on return all of them are durable.

        Raises:
            OSError: nothing of this call is kept: the file is cut back to where it was.
        """
        pieces: list[bytes] = []
        before, frames, items = self.size, 0, 0
        for request in requests:
            pieces.extend(frame.encode(request))
            frames += 1
            items += request.items
        try:
            self._write(pieces)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, before)
            self.size = before
            raise
        self.frames += frames
        self.items += items

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
        """Close it for ever and return its frozen path."""
        os.close(self._descriptor)
        frozen = self.path.with_suffix(READY)
        files.rename(self.path, frozen)
        return frozen

    def discard(self) -> None:
        """Remove a segment that holds no frame."""
        os.close(self._descriptor)
        self.path.unlink()


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

    What is cut off was never acknowledged; it is kept beside it as `.torn`, for whoever wants to look.
    """
    data = memoryview(path.read_bytes())
    try:
        _, good = frame.read_head(data)
    except SegmentDamaged:
        path.unlink()  # the crash came before the first sync
        return None
    head = good
    for _, end in frame.frames(data, good):
        good = end
    if good < len(data):
        files.write_whole(path.with_suffix(".torn"), bytes(data[good:]))
        with path.open("r+b") as file:
            file.truncate(good)
            os.fsync(file.fileno())
    if good == head:
        path.unlink()
        return None
    frozen = path.with_suffix(READY)
    files.rename(path, frozen)
    return frozen
