"""A spool file: what one process recorded, in order, readable however it ended.

    otel-interactions spool 1               what it is, and a line feed
    | crc32 | size | kind | origin | ...    a frame; checksum and size are of what follows them, numbers little-endian
    | ORIGIN: size of the first part, the parts of an origin (encoding.py): spans name it by its number in this file
    | SPAN: a span, encoded

A process that is killed leaves at most its last frame cut off; a machine that loses power, anything behind what the
kernel had written. Reading stops at the first frame that is not whole: the call that recorded it had not returned, or
the disk has lost it.

    NAME.sent  | settled | planned | crc32 |    offsets in the file: what is before the first one is done with; what is
                                                between the two was being sent, and is sent as the same batch again
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from struct import Struct
from typing import Final
from zlib import crc32

from otel_interactions.export.encoding import Origin

MAGIC: Final = b"otel-interactions spool 1\n"
SENT: Final = ".sent"
_ORIGIN, _SPAN = 1, 2
_AROUND: Final = Struct("<II")
_INSIDE: Final = Struct("<BH")
_SIZE: Final = Struct("<I")
_PROGRESS: Final = Struct("<QQ")
MAX_ORIGINS: Final = 1 << 16  # in one file
CHUNK: Final = 1 << 20  # bytes that are read at a time


def origin_frame(number: int, origin: Origin) -> bytes:
    """Return the frame that gives an origin its number."""
    return _frame(_ORIGIN, number, _SIZE.pack(len(origin[0])) + origin[0] + origin[1])


def span_frame(number: int, span: bytes) -> bytes:
    """Return the frame of a span that comes from this origin."""
    return _frame(_SPAN, number, span)


def _frame(kind: int, number: int, payload: bytes) -> bytes:
    inside = _INSIDE.pack(kind, number) + payload
    return _AROUND.pack(crc32(inside), len(inside)) + inside


@dataclass(slots=True)
class Batch:
    """Spans that are sent together, always as the same request.

    Attributes:
        spans: each with where it comes from.
        start: where its first frame is, in its queue or file.
        end: where its last one ends.
    """

    spans: list[tuple[Origin, bytes]]
    start: int
    end: int


@dataclass(slots=True)
class Reader:
    """Reads the frames of one file in order, as they are written.

    Attributes:
        descriptor: the file, open for reading.
        at: offset of the next frame.
    """

    descriptor: int
    at: int = len(MAGIC)
    _origins: dict[int, Origin] = field(default_factory=dict)
    _ahead: bytes = b""
    _ahead_at: int = 0

    def batch(self, end: int, spans: int, size: int) -> Batch:
        """Return what comes next: at least one span if there is one, then so many and so many bytes of them at most."""
        found = Batch([], self.at, self.at)
        total = 0
        while self.at < end and len(found.spans) < spans:
            inside = self._inside(end)
            if inside is None or (found.spans and total + len(inside) > size):
                break
            total += len(inside)
            self.at += _AROUND.size + len(inside)
            kind, number = _INSIDE.unpack_from(inside)
            if kind == _ORIGIN:
                (first,) = _SIZE.unpack_from(inside, _INSIDE.size)
                parts = inside[_INSIDE.size + _SIZE.size :]
                self._origins[number] = parts[:first], parts[first:]
            elif number in self._origins:
                found.spans.append((self._origins[number], inside[_INSIDE.size :]))
        found.end = self.at
        return found

    def is_damaged(self, end: int) -> bool:
        """Tell of what cannot be read before `end` whether it is more than one frame that was being written."""
        if self.at >= end:
            return False
        head = self._bytes(_AROUND.size, end)
        return len(head) == _AROUND.size and self.at + _AROUND.size + _AROUND.unpack(head)[1] <= end

    def _inside(self, end: int) -> bytes | None:
        """Return the inside of the next frame, None if it is not whole."""
        head = self._bytes(_AROUND.size, end)
        if len(head) < _AROUND.size:
            return None
        checksum, size = _AROUND.unpack(head)
        frame = self._bytes(_AROUND.size + size, end)
        inside = frame[_AROUND.size :]
        whole = _INSIDE.size <= size == len(inside) and crc32(inside) == checksum
        return inside if whole else None

    def _bytes(self, size: int, end: int) -> bytes:
        """Return so many bytes from where the next frame begins, fewer before `end`."""
        skip = self.at - self._ahead_at
        if not 0 <= skip <= len(self._ahead) - size:
            size = min(size, end - self.at)
            self._ahead = os.pread(self.descriptor, min(max(size, CHUNK), end - self.at), self.at)
            self._ahead_at, skip = self.at, 0
        return self._ahead[skip : skip + size]


def write_progress(descriptor: int, settled: int, planned: int) -> None:
    """Write down how far a file is sent. Raises OSError."""
    numbers = _PROGRESS.pack(settled, planned)
    os.pwrite(descriptor, numbers + _SIZE.pack(crc32(numbers)), 0)


def read_progress(descriptor: int) -> tuple[int, int]:
    """Return how far a file is settled and planned; as if nothing were, where that does not read."""
    told = os.pread(descriptor, _PROGRESS.size + _SIZE.size, 0)
    numbers, checksum = told[: _PROGRESS.size], told[_PROGRESS.size :]
    if len(checksum) != _SIZE.size or _SIZE.unpack(checksum)[0] != crc32(numbers):
        return len(MAGIC), len(MAGIC)
    settled, planned = _PROGRESS.unpack(numbers)
    return max(settled, len(MAGIC)), max(planned, len(MAGIC))
