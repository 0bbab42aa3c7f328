"""One parse says whether a body is OTLP, how much is in it, and whether it is as flat as the columns."""

from __future__ import annotations

import contextlib
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_builders import any_value, attributes, log_record, logs, span, traces

from collector.errors import Malformed, Permanent
from collector.receive.validate import VALIDATORS
from collector.request import Signal

TRACES, LOGS = VALIDATORS[Signal.TRACES], VALIDATORS[Signal.LOGS]
FLAT = traces(span("one", {"a": [1, "x"], "b": {"k": True}}), span("two", {"c": b"\0"})).SerializeToString()


@pytest.mark.parametrize("count", [1, 2, 100])
def test_counts(count: int) -> None:
    """Items are spans and log records, across resources and scopes."""
    request = traces(*(span() for _ in range(count)))
    request.MergeFrom(traces(span()))
    assert TRACES(request.SerializeToString()).items == count + 1
    assert LOGS(logs(*(log_record() for _ in range(count))).SerializeToString()).items == count


def test_a_flat_body_is_passed_through() -> None:
    """What fits the columns goes on as it came, byte for byte."""
    assert TRACES(FLAT).body == FLAT


@pytest.mark.parametrize(
    "envelope", [b"", b"\x0a\x00", b"\x0a\x02\x12\x00", b"\x0a\x02\x0a\x00"], ids=["body", "resource", "scope", "both"]
)
@pytest.mark.parametrize("signal", Signal)
def test_empty_requests_are_fine(signal: Signal, envelope: bytes) -> None:
    """OTLP: an empty request, or one of empty envelopes, succeeds and holds nothing."""
    assert VALIDATORS[signal](envelope).items == 0


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"hello world",
        b'{"resourceSpans":[]}',
        b"\x0a",
        b"\x0a\x7f",
        b"\x0a\x02\x12\x05",
        b"\x00\x00",
        FLAT[:-1],
        FLAT + b"\x0a",
        b"\x0b",
        b"\x0c",
        b"\x0c" * 99,
        b"\x0b\x0b\x0c",
    ],
)
def test_malformed(signal: Signal, body: bytes) -> None:
    """What is no request of this signal is refused for good, with its size and its kind in the sentence."""
    with pytest.raises(Malformed, match=f"{len(body)} bytes is not an Export") as refused:
        VALIDATORS[signal](body)
    assert isinstance(refused.value, Permanent)


def test_text_that_happens_to_parse_is_refused() -> None:
    """Bytes that are protobuf by accident, without one known field, are not an empty request."""
    with pytest.raises(Malformed):
        TRACES(b"2\x03abc")


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_strings_must_be_utf8(raw: bytes) -> None:
    """Text that is no UTF-8 is refused, as proto3 says; a lone surrogate is no UTF-8."""
    good = traces(span("name" + "x" * len(raw))).SerializeToString()
    with pytest.raises(Malformed):
        TRACES(good.replace(b"x" * len(raw), raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(body: bytes) -> None:
    """Whatever arrives is either accepted with a count or refused as malformed; nothing else is ever raised."""
    for validator in VALIDATORS.values():
        with contextlib.suppress(Malformed):
            assert validator(body).items >= 0


@pytest.mark.parametrize("levels", [2, 3, 5, 20, 30])
def test_deep_values_are_rewritten(levels: int) -> None:
    """A value nested deeper than the columns is replaced by text; the rest of the request stays what it was."""
    value: object = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    request = traces(span("deep", {"deep": value, "flat": [1, 2]}), span("flat", {"x": 1}))
    accepted = TRACES(request.SerializeToString())
    parsed = ExportTraceServiceRequest.FromString(accepted.body)
    rewritten = parsed.resource_spans[0].scope_spans[0].spans[0].attributes[0].value
    assert accepted.items == 2
    assert "core" in rewritten.string_value
    rewritten.CopyFrom(any_value(value))
    assert parsed == request


def test_endless_depth_is_refused() -> None:
    """A body nested past protobuf's own limit is refused, and nothing recurses out of its stack."""
    value = b"\x0a\x01x"
    for _ in range(100):
        length = len(value)
        value = b"\x0a" + _varint(length) + value
        value = b"\x2a" + _varint(len(value)) + value
    attribute = b"\x0a\x01k\x12" + _varint(len(value)) + value
    message = attribute
    for tag in (b"\x4a", b"\x12", b"\x12", b"\x0a"):
        message = tag + _varint(len(message)) + message
    with pytest.raises(Malformed):
        TRACES(message)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_deep_logs_are_rewritten() -> None:
    """Bodies and attributes of log records are flattened like those of spans."""
    request = logs(log_record([[1]], {"a": {"b": {"c": 1}}}), log_record({"flat": 1}))
    parsed = ExportLogsServiceRequest.FromString(LOGS(request.SerializeToString()).body)
    first, second = parsed.resource_logs[0].scope_logs[0].log_records
    assert first.body.string_value == "[[1]]"
    assert first.attributes[0].value.string_value == '{"b":{"c":1}}'
    assert second.body == any_value({"flat": 1})


def test_every_place_is_flattened() -> None:
    """Resource, scope, span, event and link attributes are all looked at."""
    deep = {"deep": [[["core"]]]}
    one = span("n", deep)
    one.events.add(name="e").attributes.extend(attributes(deep))
    one.links.add(trace_id=secrets.token_bytes(16)).attributes.extend(attributes(deep))
    request = traces(one, resource=deep)
    request.resource_spans[0].scope_spans[0].scope.attributes.extend(attributes(deep))
    flat = TRACES(request.SerializeToString()).body
    assert flat.count(b'[[["core"]]]') == 5
