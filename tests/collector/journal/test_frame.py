"""A frame reads back as it was written, is noticed when it does not, and a segment is one protobuf message."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from crc32c import crc32c
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
NAME = "01795254808000000000-00c0ffee-traces"
SALT = frame.salt_of(NAME)

requests = st.builds(
    Request,
    signal=st.sampled_from(Signal),
    body=st.binary(max_size=300),
    items=st.integers(0, 2**32 - 1),
    tenant=st.text(max_size=200),
    received_unix_nano=st.integers(0, 2**64 - 1),
    peer=st.text(max_size=50),
    identity=st.just(b"") | st.binary(min_size=1, max_size=300),
)


def written(*sent: Request, salt: int = SALT) -> bytes:
    """Return a segment's bytes."""
    return b"".join([frame.encode_head(NAME, salt), *(piece for each in sent for piece in frame.encode(each, salt))])


@given(st.lists(requests, max_size=5), st.sampled_from([SALT, 0]))
def test_round_trip(sent: list[Request], salt: int) -> None:
    """Any tenant, body and peer is framed so that exactly the frames written are found again, in either format."""
    data = memoryview(written(*sent, salt=salt))
    head = frame.read_head(data)
    assert head == (NAME, len(frame.encode_head(NAME, salt)), salt)
    found = list(frame.frames(data, head.end, salt))
    assert [bytes(data[start:end]) for start, end in found] == [b"".join(frame.encode(each, salt)) for each in sent]
    assert (found[-1][1] if found else head.end) == len(data)
    assert list(frame.pieces(data, head.end, salt)) == [(start, end, "") for start, end in found]
    for (start, end), each in zip(found, sent, strict=True):
        expected = (each.received_unix_nano, each.items, each.identity)
        assert frame.read_envelope(data[start:end]) == expected


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
    assert parsed.format == 2
    assert [
        (each.tenant, each.received_unix_nano, each.peer, each.items, each.identity) for each in parsed.requests
    ] == [(each.tenant, each.received_unix_nano, each.peer, each.items, each.identity) for each in sent]
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
        found = [end for _, end in frame.frames(memoryview(damaged), ENDS[0], SALT)]
        assert [ENDS[0], *found] == intact, f"bit {bit}"


def test_every_cut_is_noticed() -> None:
    """Wherever a segment is cut, exactly the frames before the cut are found."""
    whole = memoryview(written(*SMALL))
    for length in range(ENDS[0], len(whole) + 1):
        found = [end for _, end in frame.frames(whole[:length], ENDS[0], SALT)]
        assert [ENDS[0], *found] == [end for end in ENDS if end <= length]


@pytest.mark.parametrize("length", range(ENDS[0] - 2))
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
    assert [end for _, end in frame.frames(data, ENDS[0], SALT)] == ENDS[1:]


@given(st.integers(0, 2**64 - 1))
def test_varint(number: int) -> None:
    """Our varints are protobuf's, at any size."""
    field = SEGMENT.DESCRIPTOR.file.message_types_by_name["AnyValue"]
    value = message_factory.GetMessageClass(field).FromString(b"\x18" + varint(number))
    assert value.int_value == (number - 2**64 if number >= 2**63 else number)


def test_the_first_format_reads() -> None:
    """A segment as the first version wrote it, byte for byte, is still read."""
    head = bytes.fromhex("0a24") + NAME.encode()
    envelope = bytes.fromhex("1207") + b"default" + bytes.fromhex("19") + bytes(8) + bytes.fromhex("22005203") + b"abc"
    old = bytes((0x7A, 5 + len(envelope), 0x0D)) + crc32c(envelope).to_bytes(4, "little") + envelope
    data = memoryview(head + old)
    assert frame.read_head(data) == (NAME, len(head), 0)
    assert list(frame.frames(data, len(head), 0)) == [(len(head), len(data))]
    assert frame.read_envelope(data[len(head) :]) == (0, 0, b"")


def test_a_frame_of_another_segment_is_none() -> None:
    """What a deleted segment left on the disk, or a sender put into a body, does not pass for a frame."""
    other = b"".join(frame.encode(SMALL[0], frame.salt_of(NAME.replace("traces", "logs"))))
    unsalted = b"".join(frame.encode(SMALL[0], 0))
    for foreign in (other, unsalted):
        assert list(frame.frames(memoryview(written(*SMALL) + foreign), ENDS[0], SALT))[-1][1] == ENDS[-1]


def test_resumes_behind_every_flipped_bit() -> None:
    """Whatever bit flips, exactly the frame it is in is damaged, and all before and behind it are found."""
    whole = written(*SMALL)
    for bit in range(ENDS[0] * 8, len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        hit = sum(end * 8 <= bit for end in ENDS) - 1
        found = list(frame.pieces(memoryview(damaged), ENDS[0], SALT))
        assert [(start, end) for start, end, damage in found if damage] == [(ENDS[hit], ENDS[hit + 1])], f"bit {bit}"
        assert [(start, end) for start, end, _ in found] == list(pairwise(ENDS))


@given(st.integers(ENDS[0], ENDS[-1]), st.integers(1, 200), st.sampled_from([b"\0", b"\xff", b"\x7a", b"\x7a\x20\x0d"]))
def test_resumes_behind_a_hole(at: int, length: int, filling: bytes) -> None:
    """Wherever a hole is, every frame it does not touch is found, and all bytes are accounted for."""
    whole = bytearray(written(*SMALL))
    end = min(at + length, len(whole))
    original = bytes(whole)
    whole[at:end] = (filling * length)[: end - at]
    touched = [start for start, stop in pairwise(ENDS) if whole[start:stop] != original[start:stop]]
    found = list(frame.pieces(memoryview(whole), ENDS[0], SALT))
    assert [start for start, _, damage in found if not damage] == [each for each in ENDS[:-1] if each not in touched]
    assert [each[0] for each in found] == [ENDS[0], *(each[1] for each in found[:-1])]
    assert found[-1][1] == len(whole)


def test_a_frame_inside_a_body_is_no_frame() -> None:
    """A sender that puts frames into a body gets nothing by them, not even where the disk has damaged its frame."""
    guesses = [b"".join(frame.encode(SMALL[1], guess)) for guess in (0, 1, frame.salt_of("x"))]
    bait = Request(Signal.TRACES, b"".join(guesses) * 3, 1, "evil", 7, "peer")
    data = bytearray(written(bait, *SMALL))
    data[ENDS[0] + 1] ^= 0x40  # its length
    found = list(frame.pieces(memoryview(data), ENDS[0], SALT))
    assert [bytes(data[start:end]) for start, end, damage in found if not damage] == [
        b"".join(frame.encode(each, SALT)) for each in SMALL
    ]


def test_a_search_has_an_end() -> None:
    """Thousands of would-be frames behind a damaged length: the search gives up before it has summed them all."""
    tail = b"\x7a\xff\xff\x7f\x0d1234\x12" * 40_000
    data = memoryview(b"\0" + tail + bytes(2**21))
    began = time.monotonic()
    assert list(frame.pieces(data, 0, SALT)) == [(0, len(data), frame.LOST)]
    assert time.monotonic() - began < 5


def test_an_empty_frame() -> None:
    """An empty frame is a frame, and a request without anything."""
    real = Request(Signal.TRACES, traces(span()).SerializeToString(), 1, "t", 7, "peer")
    data = written(real) + frame.empty(SALT) + b"".join(frame.encode(real, SALT))
    assert [end - start for start, end in frame.frames(memoryview(data), ENDS[0], SALT)][1] == len(frame.empty(SALT))
    assert [each.HasField("traces") for each in SEGMENT.FromString(data).requests] == [True, False, True]
    assert frame.read_envelope(memoryview(frame.empty(SALT))) == (0, 0, b"")
