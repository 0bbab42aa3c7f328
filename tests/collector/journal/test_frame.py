"""A frame reads back as it was written, is noticed when it does not, and a segment is one protobuf message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_builders import log_record, logs, metric, metrics, point, span, traces

import collector.load
from collector.errors import SegmentDamaged
from collector.journal import frame
from collector.request import Request, Signal, varint

PROTO = Path(collector.load.__file__).with_name("otlp.proto")
TYPES = descriptor_pb2.FieldDescriptorProto


def message_class(name: str) -> Any:
    """Compile otlp.proto, which uses little of the language: messages, scalars, repeated, optional, one oneof each."""
    text = re.sub(r"//.*", "", PROTO.read_text())
    file = descriptor_pb2.FileDescriptorProto(name="segment_test.proto", package="segment_test", syntax="proto3")
    for title, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text):
        message = file.message_type.add(name=title)
        for oneof, members in re.findall(r"oneof (\w+) \{([^{}]*)\}", body):
            message.oneof_decl.add(name=oneof)
            in_oneof = set(re.findall(r"(\w+) = ", members))
        for label, kind, field, number in re.findall(r"(repeated |optional )?(\w+) (\w+) = (\d+);", body):
            added = message.field.add(name=field, number=int(number))
            added.label = TYPES.LABEL_REPEATED if label == "repeated " else TYPES.LABEL_OPTIONAL
            if label == "optional ":
                added.proto3_optional, added.oneof_index = True, len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field}")
            if kind[0].isupper():
                added.type, added.type_name = TYPES.TYPE_MESSAGE, f".segment_test.{kind}"
            else:
                added.type = TYPES.Type.Value(f"TYPE_{kind.upper()}")
            if "oneof" in body and field in in_oneof:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"segment_test.{name}"))


SEGMENT = message_class("Segment")
NAME = "01795254808000000000-00c0ffee"

requests = st.builds(
    Request,
    signal=st.sampled_from(Signal),
    body=st.binary(max_size=300),
    items=st.just(1),
    tenant=st.text(max_size=200),
    received_unix_nano=st.integers(0, 2**64 - 1),
    peer=st.text(max_size=50),
)


def written(*sent: Request) -> bytes:
    """Return a segment's bytes."""
    return b"".join([frame.encode_head(NAME), *(piece for each in sent for piece in frame.encode(each))])


@given(st.lists(requests, max_size=5))
def test_round_trip(sent: list[Request]) -> None:
    """Any tenant, body and peer is framed so that exactly the frames written are found again."""
    data = memoryview(written(*sent))
    name, at = frame.read_head(data)
    assert name == NAME
    found = list(frame.frames(data, at))
    assert [bytes(data[start:end]) for start, end in found] == [b"".join(frame.encode(each)) for each in sent]
    assert (found[-1][1] if found else at) == len(data)


@given(st.lists(requests.filter(lambda each: not each.body), max_size=3), st.integers(1, 5))
@settings(max_examples=25)
def test_a_segment_is_one_protobuf_message(plain: list[Request], count: int) -> None:
    """The official parser reads the file as `Segment` of load/otlp.proto and finds what was written, body included."""
    bodies = {
        Signal.TRACES: traces(*(span(f"work {number}", {"key": number}) for number in range(count))),
        Signal.LOGS: logs(*(log_record(f"line {number}") for number in range(count))),
        Signal.METRICS: metrics(
            metric("histogram", *(point("histogram", sum=0, max=number) for number in range(count)))
        ),
    }
    sent = [*plain, *(Request(s, m.SerializeToString(), count, "t", 7, "::1") for s, m in bodies.items())]
    parsed = SEGMENT.FromString(written(*sent))
    assert parsed.segment == NAME
    assert [(each.tenant, each.received_unix_nano, each.peer) for each in parsed.requests] == [
        (each.tenant, each.received_unix_nano, each.peer) for each in sent
    ]
    for each, original in zip(parsed.requests, sent, strict=True):
        inner = {Signal.TRACES: each.traces, Signal.LOGS: each.logs, Signal.METRICS: each.metrics}
        assert [signal for signal in Signal if each.HasField(signal.name.lower())] == [original.signal]
        assert inner[original.signal].SerializeToString() == original.body


SMALL = [Request(Signal.TRACES, bytes([number]) * (3 + 60 * number), 1, f"t{number}", 7, "peer") for number in range(3)]
ENDS = [len(written(*SMALL[:count])) for count in range(len(SMALL) + 1)]


def test_every_flipped_bit_is_noticed() -> None:
    """Whatever bit of a segment flips, reading stops exactly before the frame it is in."""
    whole = written(*SMALL)
    for bit in range(ENDS[0] * 8, len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        intact = [end for end in ENDS if end * 8 <= bit]
        found = [end for _, end in frame.frames(memoryview(damaged), ENDS[0])]
        assert [ENDS[0], *found] == intact, f"bit {bit}"


def test_every_cut_is_noticed() -> None:
    """Wherever a segment is cut, exactly the frames before the cut are found."""
    whole = memoryview(written(*SMALL))
    for length in range(ENDS[0], len(whole) + 1):
        found = [end for _, end in frame.frames(whole[:length], ENDS[0])]
        assert [ENDS[0], *found] == [end for end in ENDS if end <= length]


@pytest.mark.parametrize("length", range(ENDS[0]))
def test_a_head_cut_short_is_damage(length: int) -> None:
    """A head that is not whole is refused, not guessed."""
    with pytest.raises(SegmentDamaged):
        frame.read_head(memoryview(written())[:length])


@pytest.mark.parametrize("data", [b"\0" * 40, b"\x7a\x03abc", b"\x0a\x02\xff\xfe", b"\x0a" + b"\xff" * 20])
def test_what_is_no_head_is_damage(data: bytes) -> None:
    """Zeros, another field, no UTF-8 and an endless length are refused."""
    with pytest.raises(SegmentDamaged):
        frame.read_head(memoryview(data))


@pytest.mark.parametrize("tail", [b"\0" * 64, b"\x7a", b"\x7a" + b"\xff" * 30, b"\x7a\x00", b"\x7a\x04\x0d\0\0\0"])
def test_what_is_no_frame_ends_the_segment(tail: bytes) -> None:
    """Zeros, an endless length and a frame too short for its checksum end the segment without an error."""
    data = memoryview(written(*SMALL) + tail)
    assert [end for _, end in frame.frames(data, ENDS[0])] == ENDS[1:]


@given(st.integers(0, 2**64 - 1))
def test_varint(number: int) -> None:
    """Our varints are protobuf's, at any size."""
    field = SEGMENT.DESCRIPTOR.file.message_types_by_name["AnyValue"]
    value = message_factory.GetMessageClass(field).FromString(b"\x18" + varint(number))
    assert value.int_value == (number - 2**64 if number >= 2**63 else number)
