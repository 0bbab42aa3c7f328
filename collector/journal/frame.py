"""One acknowledged request in a journal segment: its bytes, its envelope, its checksum.

A segment file is itself one protobuf message (`Segment` in `load/otlp.proto`), so ClickHouse reads the file as it
lies on disk and batching is nothing but appending. Protobuf allows that: fields of a message may follow each other
in any number, and each frame is one more element of the repeated field 15.

    head    | 0A | len varint | segment name | 10 | format 02 |                           fields 1, 2
    frame   | 7A | len varint | envelope |                                                field 15, once a request
    envelope| 0D | crc32c u32 |                                                           field 1
            | 12 len tenant | 19 received u64 | 22 len peer | 28 items | 32 len identity |    2 to 6
            | 52 len body |                                                 10 to 12: traces, logs, metrics

The identity is what a body that is sent again is recognised by (`receive/duplicates.py` says what is in it); it is
left out where there is none. The first format had neither items nor identity nor the format in its head, and is read.

The checksum is CRC-32C (Castagnoli, as in RFC 3720) of everything in the envelope behind it, begun with the segment's
salt, which is the checksum of its name. So a frame counts in its own segment only: neither a block that the disk has
left over from a deleted segment passes for one, nor what a sender has put into a body. (The first format has no salt.)

A crash leaves a torn tail: fewer bytes than `len` says, or bytes the checksum refuses (a block the disk never wrote
reads as zeros). Nothing of that was acknowledged: a frame is acknowledged only after a sync that covers all before it.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from crc32c import crc32c

from collector.errors import SegmentDamaged
from collector.request import Request, Signal, read_varint, varint

_HEAD_TAG = 0x0A
_FORMAT = b"\x10\x02"
_FRAME_TAG = 0x7A
_CRC_TAG = 0x0D
_CRC_END = 5  # the tag and four bytes
_FIRST_BODY = 10  # the number of the first field that holds a body
_TENANT, _RECEIVED, _PEER, _ITEMS, _IDENTITY = 0x12, 0x19, 0x22, 0x28, 0x32  # tags
_BODIES = {signal: bytes((signal << 3 | 2,)) for signal in Signal}  # tags, too
_BEGIN = struct.Struct("<BI")  # the tag and the checksum
_TIME = struct.Struct("<BQ")
# What every frame begins with: tag, length, checksum, tenant. Looked ahead, since a body may hold anything.
_START = re.compile(rb"\x7a(?=[\x80-\xff]{0,4}[\x00-\x7f]\x0d.{4}\x12)", re.DOTALL)
LOST = "no frame begins here"  # nobody can tell how many frames such a stretch was
_PATIENCE = 64  # times the length of a damaged segment: so many bytes are summed at most in search of its next frame


class Head(NamedTuple):
    """What a segment begins with: its name, the offset of its first frame, the salt of its checksums."""

    name: str
    end: int
    salt: int


class Piece(NamedTuple):
    """A stretch of a segment: an intact frame, or what is none, and then why."""

    start: int
    end: int
    damage: str


class Envelope(NamedTuple):
    """What a frame says about its request: when it came (nanoseconds since 1970), its items, its identity."""

    received_unix_nano: int
    items: int
    identity: bytes


def _text(tag: int, value: str) -> bytes:
    raw = value.encode()
    return bytes((tag,)) + varint(len(raw)) + raw


_known_text = functools.lru_cache(maxsize=1024)(_text)  # few tenants and peers send many requests


def salt_of(name: str) -> int:
    """Return what the checksums of a segment of this name begin with; never 0, which stands for none."""
    return int(crc32c(name.encode())) or 1


def encode_head(name: str, salt: int) -> bytes:
    """Return the first bytes of a segment: its own name and, where checksums are salted, the format."""
    return _text(_HEAD_TAG, name) + (_FORMAT if salt else b"")


def encode(request: Request, salt: int) -> tuple[bytes, bytes]:
    """Return a frame in two pieces, what precedes the body and the body itself, so that the body is never copied."""
    body, identity = request.body, request.identity
    known = (b"\x32", varint(len(identity)), identity) if identity else ()
    front = b"".join(
        (
            _known_text(_TENANT, request.tenant),
            _TIME.pack(_RECEIVED, request.received_unix_nano),
            _known_text(_PEER, request.peer),
            b"\x28",
            varint(request.items),
            *known,
            _BODIES[request.signal],
            varint(len(body)),
        )
    )
    checksum = crc32c(body, crc32c(front, salt))
    length = varint(_CRC_END + len(front) + len(body))
    return b"".join((b"\x7a", length, _BEGIN.pack(_CRC_TAG, checksum), front)), body


def empty(salt: int) -> bytes:
    """Return a frame of no request: it makes no row, and stands where a damaged one was."""
    return bytes((_FRAME_TAG, _CRC_END)) + _BEGIN.pack(_CRC_TAG, salt)


def read_head(data: memoryview) -> Head:
    """Read what a segment begins with.

    Raises:
        SegmentDamaged: the head is cut short or is none.
    """
    try:
        if data[0] != _HEAD_TAG:
            raise SegmentDamaged(f"starts with byte {data[0]:#04x}, not with a segment's head")
        length, at = read_varint(data, 1)
        end = at + length
        name = bytes(data[at:end]).decode()
    except (IndexError, UnicodeDecodeError) as error:
        raise SegmentDamaged("its head does not read") from error
    if end > len(data):
        raise SegmentDamaged("its head is cut short")
    if bytes(data[end : end + len(_FORMAT)]) == _FORMAT:
        return Head(name, end + len(_FORMAT), salt_of(name))
    return Head(name, end, 0)


def frames(data: memoryview, at: int, salt: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each intact frame from offset `at`; stop silently at the first that is not.

    The caller compares the last end with the length of the data to learn whether something was left.
    """
    while (end := _frame_end(data, at, salt)) is not None:
        yield at, end
        at = end


def pieces(data: memoryview, at: int, salt: int) -> Iterator[Piece]:
    """Yield what a segment consists of from offset `at` to its end, intact frames and what lies between them."""
    while at < len(data):
        end = _frame_end(data, at, salt)
        if end is not None:
            yield Piece(at, end, "")
        else:
            end, damage = _resume(data, at, salt)
            yield Piece(at, end, damage)
        at = end


def read_envelope(frame: memoryview) -> Envelope:
    """Read what stands in an intact frame before its body."""
    received, items, identity = 0, 0, b""
    _, at = read_varint(frame, 1)
    at += _CRC_END
    while at < len(frame) and (tag := frame[at]) >> 3 < _FIRST_BODY:
        at += 1
        if tag == _RECEIVED:
            (received,) = struct.unpack_from("<Q", frame, at)
            at += 8
        elif tag == _ITEMS:
            items, at = read_varint(frame, at)
        else:
            length, at = read_varint(frame, at)
            if tag == _IDENTITY:
                identity = bytes(frame[at : at + length])
            at += length
    return Envelope(received, items, identity)


def _bounds(data: memoryview, at: int) -> tuple[int, int] | None:
    """Return where the envelope of the frame at `at` begins and ends, by its length; None if there is no frame."""
    try:
        if data[at] != _FRAME_TAG:
            return None
        length, envelope = read_varint(data, at + 1)
        if length < _CRC_END or envelope + length > len(data) or data[envelope] != _CRC_TAG:
            return None
    except IndexError:
        return None
    return envelope, envelope + length


def _is_intact(data: memoryview, envelope: int, end: int, salt: int) -> bool:
    (expected,) = struct.unpack_from("<I", data, envelope + 1)
    return bool(crc32c(data[envelope + _CRC_END : end], salt) == expected)


def _frame_end(data: memoryview, at: int, salt: int) -> int | None:
    found = _bounds(data, at)
    return found[1] if found and _is_intact(data, *found, salt) else None


def _resume(data: memoryview, at: int, salt: int) -> tuple[int, str]:
    """Return where, behind what is no intact frame at `at`, the next one begins, and what is wrong here.

    The length is believed if what it measures ends where the segment does or where something begins like a frame.
    """
    found = _bounds(data, at)
    if found and (found[1] == len(data) or _START.match(data, found[1])):
        return found[1], "its checksum is not that of its bytes"
    summed = 0
    for match in _START.finditer(data, at + 1):
        candidate = _bounds(data, match.start())
        if not candidate:
            continue
        if _is_intact(data, *candidate, salt):
            return match.start(), LOST
        summed += candidate[1] - candidate[0]
        if summed > _PATIENCE * len(data):
            break
    return len(data), LOST
