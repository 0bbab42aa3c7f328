"""One accepted OTLP request: what receive hands to the journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Signal(IntEnum):
    """What an OTLP request carries; the value is its field in the journal's envelope (`load/otlp.proto`)."""

    TRACES = 10
    LOGS = 11


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
        signal: traces or logs.
        body: the validated OTLP message, uncompressed.
        items: spans or log records in it.
        tenant: whose it is; from the key, never from the payload.
        received_unix_nano: when it arrived, nanoseconds since 1970.
        peer: address of the sender, "" for none.
        weight: bytes of resources and scopes once they stand beside each of their items, as they do in the tables.
    """

    signal: Signal
    body: bytes
    items: int
    tenant: str
    received_unix_nano: int
    peer: str
    weight: int = 0


def varint(number: int) -> bytes:
    """Encode an unsigned integer as protobuf does: seven bits a byte, least significant first."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
