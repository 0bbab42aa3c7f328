"""What a journal segment says of its requests, read by protobuf itself; the bodies stay bytes.

The messages are `Segment` and `Request` of `otlp.proto`. Fields that are of no use here are skipped, known or not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from collector.request import Signal, varint

_FRAME_TAG = 0x7A
_Field = descriptor_pb2.FieldDescriptorProto


class Envelope(NamedTuple):
    """One request as it lies in a segment.

    Attributes:
        tenant: whose it is.
        received_unix_nano: when it arrived.
        peer: address of the sender.
        body: the OTLP message, b"" where the frame only stands for a request that is lost.
    """

    tenant: str
    received_unix_nano: int
    peer: str
    body: bytes


def _message(name: str, *fields: tuple[str, int, int]) -> Any:
    """Make a message class of (name, number, type) of each field; names in the plural repeat."""
    file = descriptor_pb2.FileDescriptorProto(name=f"collector/load/{name}.proto", package="collector", syntax="proto3")
    message = file.message_type.add(name=name)
    for label, number, kind in fields:
        repeated = label.endswith("s") and kind == _Field.TYPE_BYTES
        message.field.add(
            name=label,
            number=number,
            type=kind,
            label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"collector.{name}"))


_Segment = _message("Segment", ("segment", 1, _Field.TYPE_STRING), ("requests", 15, _Field.TYPE_BYTES))
_Request = _message(
    "Request",
    ("tenant", 2, _Field.TYPE_STRING),
    ("received_unix_nano", 3, _Field.TYPE_FIXED64),
    ("peer", 4, _Field.TYPE_STRING),
    *((f"body_{each.value}", each.value, _Field.TYPE_BYTES) for each in Signal),
)


def segment_of(name: str, frames: list[memoryview]) -> bytes:
    """Return a segment of some frames of another, under a name of its own, which its rows will carry.

    ClickHouse reads it; the journal would not, because its checksums may be for the first name only.
    """
    raw = name.encode()
    return b"".join((b"\x0a", varint(len(raw)), raw, *frames))


def frames_of(segment: bytes) -> list[memoryview]:
    """Cut a segment into its frames.

    Raises:
        ValueError: it is none.
    """
    try:
        requests = _Segment.FromString(segment).requests
    except DecodeError as error:
        raise ValueError("it does not read as a journal segment") from error
    return [memoryview(bytes((_FRAME_TAG,)) + varint(len(each)) + each) for each in requests]


def with_body(frame: memoryview, body: bytes) -> memoryview:
    """Return a frame with another body in it; what else it says stays, the checksum, too, which no letter is read by.

    Raises:
        ValueError: it is none.
    """
    request = _request(frame)
    for each in Signal:
        if getattr(request, f"body_{each.value}"):
            setattr(request, f"body_{each.value}", body)
    raw = request.SerializeToString()
    return memoryview(bytes((_FRAME_TAG,)) + varint(len(raw)) + raw)


def read(frame: memoryview) -> Envelope:
    """Read a frame.

    Raises:
        ValueError: it is none.
    """
    request = _request(frame)
    bodies = (getattr(request, f"body_{each.value}") for each in Signal)
    return Envelope(request.tenant, request.received_unix_nano, request.peer, next(filter(None, bodies), b""))


def _request(frame: memoryview) -> Any:
    try:
        return _Request.FromString(_Segment.FromString(bytes(frame)).requests[0])
    except (DecodeError, IndexError) as error:
        raise ValueError("it does not read as a frame") from error
