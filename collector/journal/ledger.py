"""What a segment holds, in a small file beside it: how many requests and items, and who they are.

    01790000000000000000-1a2b3c4d-traces.ready      the segment
    01790000000000000000-1a2b3c4d-traces.seen       its ledger

    | "seen" | crc32c u32 | requests u32 | items u64 | newest u64 | then, for each request that has an identity,
    | received u64 | len u16 | identity |

While the segment waits, its ledger spares the next start from reading it. Once ClickHouse has the segment and it is
deleted, the ledger stays as long as bodies that are sent again are to be recognised (`archive.py`). Numbers are little
endian, times nanoseconds since 1970, the checksum is of everything behind it. A ledger that does not read is as good as
none: the segment says the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from crc32c import crc32c

from collector.journal import frame
from collector.request import Content, Request

SEEN = ".seen"
_BEGIN = struct.Struct("<4sI")
_COUNTS = struct.Struct("<IQQ")
_ENTRY = struct.Struct("<QH")
_MAGIC = b"seen"


class Ledger:
    """Requests, items and identities of one segment.

    Attributes:
        requests: how many requests are in it.
        items: spans, log records and data points in them.
        newest: when the last request with an identity came, nanoseconds since 1970; 0 without one.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.requests = 0
        self.items = 0
        self.newest = 0
        self._entries = bytearray()

    @classmethod
    def of(cls, frames: Iterable[memoryview]) -> Self:
        """Make the ledger of these intact frames."""
        made = cls()
        for each in frames:
            envelope = frame.read_envelope(each)
            made._add(envelope.received_unix_nano, envelope.items, envelope.identity)
        return made

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a ledger; None if there is none that reads."""
        try:
            data = path.read_bytes()
            magic, checksum = _BEGIN.unpack_from(data)
            if magic != _MAGIC or crc32c(data[_BEGIN.size :]) != checksum:
                return None
        except (OSError, struct.error):
            return None
        made = cls()
        made.requests, made.items, made.newest = _COUNTS.unpack_from(data, _BEGIN.size)
        made._entries += data[_BEGIN.size + _COUNTS.size :]
        return made

    def add(self, requests: Iterable[Request]) -> None:
        """Enter requests."""
        for each in requests:
            self._add(each.received_unix_nano, each.items, each.identity)

    def _add(self, received_unix_nano: int, items: int, identity: bytes) -> None:
        self.requests += 1
        self.items += items
        if identity:
            self.newest = max(self.newest, received_unix_nano)
            self._entries += _ENTRY.pack(received_unix_nano, len(identity)) + identity

    def encode(self) -> bytes:
        """Return the file's bytes."""
        counted = _COUNTS.pack(self.requests, self.items, self.newest) + self._entries
        return _BEGIN.pack(_MAGIC, crc32c(counted)) + counted

    def content(self) -> Content:
        """Return how much the segment holds."""
        return Content(self.requests, self.items)

    def identities(self) -> Iterator[tuple[int, bytes]]:
        """Yield when a request came, in nanoseconds since 1970, and its identity."""
        at = 0
        while at < len(self._entries):
            received, length = _ENTRY.unpack_from(self._entries, at)
            at += _ENTRY.size + length
            yield received, bytes(self._entries[at - length : at])
