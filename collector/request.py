"""One accepted OTLP request: what receive hands to the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Signal(IntEnum):
    """What an OTLP request carries; the value is its field in the journal's envelope (`load/otlp.proto`)."""

    TRACES = 10
    LOGS = 11
    METRICS = 12

    @property
    def label(self) -> str:
        """What it is called in file names and figures."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a request.

    Attributes:
        tenant: whose the data is; from the key presented, never from the payload.
        key: id of that key, "" where none is asked for.
        peer: address it comes from, "unix" over a Unix socket, "" for none.
    """

    tenant: str = "default"
    key: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an accepted request: how many of its records were refused all the same, and why."""

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One accepted OTLP request, as bytes, with what the wire does not say.

    Attributes:
        signal: traces, logs or metrics.
        body: the validated OTLP message, uncompressed.
        items: spans, log records or data points in it.
        tenant: whose it is; from the key, never from the payload.
        received_unix_nano: when it arrived, nanoseconds since 1970.
        peer: address of the sender, "" for none.
        weight: bytes of resources, scopes and metrics once they stand beside each of their items, as they do in the
            tables.
        urgent: it holds what should be seen at once, ahead of the batch.
        identity: what the same body is recognised by when it is sent again, opaque to the journal; b"" for none.
    """

    signal: Signal
    body: bytes
    items: int
    tenant: str
    received_unix_nano: int
    peer: str
    weight: int = 0
    urgent: bool = False
    identity: bytes = b""


class Content(NamedTuple):
    """How much some frames hold: requests, and the spans, log records and data points in them."""

    requests: int
    items: int


_ONE_BYTE = [bytes((number,)) for number in range(0x80)]


def varint(number: int) -> bytes:
    """Encode an unsigned integer as protobuf does: seven bits a byte, least significant first."""
    if number < 0x4000:  # noqa: PLR2004 - the two shortest, which most are, at a third of the cost
        return _ONE_BYTE[number] if number < 0x80 else bytes((number & 0x7F | 0x80, number >> 7))  # noqa: PLR2004
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read a varint at `at`; return it and the offset behind it. Raises IndexError where there is none."""
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


_ITEMS_TAG = 0x28  # field 5, a varint; stands before the body (`journal/frame.py` draws the envelope)
_FIRST_BODY = 10  # the number of the first field that holds a body
_EMPTY = 7  # bytes of a frame that only stands for a request that is lost
_FIXED = {0x0D: 4, 0x19: 8}  # bytes of the fields of fixed length


def content(frames: Iterable[memoryview]) -> Content:
    """Count the requests and items of whole frames, by what their envelopes say; an empty frame is no request."""
    counts = [_items(each) for each in frames if len(each) > _EMPTY]
    return Content(len(counts), sum(counts))


def _items(frame: memoryview) -> int:
    _, at = read_varint(frame, 1)
    while at < len(frame) and (tag := frame[at]) >> 3 < _FIRST_BODY:
        if tag == _ITEMS_TAG:
            return read_varint(frame, at + 1)[0]
        if tag in _FIXED:
            at += 1 + _FIXED[tag]
        else:
            length, at = read_varint(frame, at + 1)
            at += length
    return 0  # written before there was such a field
