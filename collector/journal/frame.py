"""One acknowledged request in a journal segment: its bytes, its envelope, its checksum.

A segment file is itself one protobuf message (`Segment` in `load/otlp.proto`), so ClickHouse reads the file as it
lies on disk and batching is nothing but appending. Protobuf allows that: fields of a message may follow each other
in any number, and each frame is one more element of the repeated field 15.

    head    | 0A | len varint | segment name                                  field 1
    frame   | 7A | len varint | envelope                                      field 15, once a request
    envelope| 0D | crc32c u32 | 12 len tenant | 19 received u64 | 22 len peer | 52 len body |
              ^ field 1         ^ 2             ^ 3               ^ 4           ^ 10 traces, 11 logs, 12 metrics

The checksum is CRC-32C (Castagnoli, as in RFC 3720) of everything in the envelope behind it. A crash leaves a torn
tail: fewer bytes than `len` says, or bytes the checksum refuses (a block the disk never wrote reads as zeros). Nothing
behind the first bad frame was acknowledged: a frame is acknowledged only after a sync that covers all before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from crc32c import crc32c

from collector.errors import SegmentDamaged
from collector.request import Request, varint

_HEAD_TAG = 0x0A
_FRAME_TAG = 0x7A
_CRC_TAG = 0x0D
_CRC_END = 5  # the tag and four bytes
_LENGTH_DELIMITED = 2


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a varint at `at`; return it and the offset behind it. Raises IndexError at the end of data."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte has its high bit clear
            return number, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - protobuf's own bound
            raise IndexError


def _text(tag: int, value: str) -> bytes:
    raw = value.encode()
    return bytes((tag,)) + varint(len(raw)) + raw


def encode_head(name: str) -> bytes:
    """Return the first bytes of a segment: its own name."""
    return _text(_HEAD_TAG, name)


def encode(request: Request) -> tuple[bytes, bytes]:
    """Return a frame in two pieces, what precedes the body and the body itself, so that the body is never copied."""
    front = (
        _text(0x12, request.tenant)
        + b"\x19"
        + struct.pack("<Q", request.received_unix_nano)
        + _text(0x22, request.peer)
        + bytes((request.signal << 3 | _LENGTH_DELIMITED,))
        + varint(len(request.body))
    )
    checksum = crc32c(request.body, crc32c(front))
    length = _CRC_END + len(front) + len(request.body)
    return bytes((_FRAME_TAG,)) + varint(length) + b"\x0d" + struct.pack("<I", checksum) + front, request.body


def read_head(data: memoryview) -> tuple[str, int]:
    """Read a segment's name and the offset of its first frame.

    Raises:
        SegmentDamaged: the head is cut short or is none.
    """
    try:
        if data[0] != _HEAD_TAG:
            raise SegmentDamaged(f"starts with byte {data[0]:#04x}, not with a segment's head")
        length, at = _read_varint(data, 1)
        end = at + length
        name = bytes(data[at:end]).decode()
    except (IndexError, UnicodeDecodeError) as error:
        raise SegmentDamaged("its head does not read") from error
    if end > len(data):
        raise SegmentDamaged("its head is cut short")
    return name, end


def frames(data: memoryview, at: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each intact frame from offset `at`; stop silently at the first that is not.

    The caller compares the last end with the length of the data to learn whether something was left.
    """
    while at < len(data):
        end = _frame_end(data, at)
        if end is None:
            return
        yield at, end
        at = end


def _frame_end(data: memoryview, at: int) -> int | None:
    try:
        if data[at] != _FRAME_TAG:
            return None
        length, envelope = _read_varint(data, at + 1)
        end = envelope + length
        if length < _CRC_END or end > len(data) or data[envelope] != _CRC_TAG:
            return None
    except IndexError:
        return None
    (expected,) = struct.unpack_from("<I", data, envelope + 1)
    return end if crc32c(data[envelope + _CRC_END : end]) == expected else None
