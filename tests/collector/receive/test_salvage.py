"""A protobuf body that does not parse is taken apart: what parses is kept, the rest refused and named."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_builders import attributes, log_record, logs, span, traces

from collector.receive.refusals import Refusals
from collector.receive.salvage import salvage
from collector.receive.wire import WIRE
from collector.request import Signal, varint

TEXT, LIST = "value.stringValue", "value.arrayValue.values"
SPANS = "resourceSpans[0].scopeSpans[0].spans"


def block(number: int, *parts: bytes) -> bytes:
    """Return a field of bytes, text or a message."""
    data = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(data)) + data


def take(body: bytes, request: type[Message] = ExportTraceServiceRequest) -> tuple[Any, Refusals]:
    """Take a body apart; return what is kept, parsed, or None."""
    with pytest.raises(DecodeError):
        request.FromString(body)
    refusals = Refusals("records")
    kept = salvage(body, request, refusals)
    return None if kept is None else request.FromString(kept), refusals


def names(request: Any) -> list[list[str]]:
    """Return the names of the spans of each scope."""
    return [
        [each.name for each in scope.spans] for resource in request.resource_spans for scope in resource.scope_spans
    ]


def spoil(message: Message, mark: bytes = b"SPOIL", by: bytes = b"\xff\xfe\xc3(\xc0") -> bytes:
    """Write a message with the marked text made no UTF-8."""
    raw = message.SerializeToString()
    assert raw.count(mark) >= 1
    return raw.replace(mark, by)


def test_text_that_is_no_utf8() -> None:
    """What SDKs in C++ and Go really send: one span with bytes in a text. The others are kept, it is named."""
    spans = [span("a"), span("b", {"ok": 1, "key": "SPOIL"}), span("c")]
    kept, refusals = take(spoil(traces(*spans)))
    assert names(kept) == [["a", "c"]]
    assert kept.resource_spans[0].resource == traces().resource_spans[0].resource
    assert kept.resource_spans[0].scope_spans[0].scope.name == "tests"
    assert refusals.receipt.rejected == 1
    assert refusals.receipt.message == f"records refused: 1; {SPANS}[1].attributes[1].value.stringValue: is not UTF-8"


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: span("SPOIL"), "name"),
        (lambda: span("n", trace_state="SPOIL"), "traceState"),
        (lambda: span("n", {"SPOIL": 1}), "attributes[0].key"),
        (lambda: span("n", {"k": [1, {"a": "SPOIL"}]}), f"attributes[0].{LIST}[1].kvlistValue.values[0].{TEXT}"),
        (lambda: span("n", events=[{"name": "e"}, {"name": "SPOIL"}]), "events[1].name"),
        (lambda: span("n", links=[{"trace_state": "SPOIL"}]), "links[0].traceState"),
        (lambda: span("n", status={"message": "SPOIL"}), "status.message"),
    ],
)  # fmt: skip
def test_the_field_is_named(build: Any, path: str) -> None:
    """Wherever in a record the bad text stands, the reason names the path of the field."""
    kept, refusals = take(spoil(traces(span("good"), build())))
    assert names(kept) == [["good"]]
    assert refusals.malformed().violations == [(f"{SPANS}[1].{path}", "is not UTF-8")]


def test_bytes_are_no_text() -> None:
    """In a field of bytes anything may stand: it is never what is refused."""
    kept, refusals = take(spoil(traces(span("good", {"raw": b"SPOIL\xff"}), span("SPOIL"))))
    assert names(kept) == [["good"]]
    assert refusals.receipt.rejected == 1


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (b"\xff", "is no protobuf message"),
        (b"\x2a\x7fshort", "is cut short"),
        (b"\x2a", "is no protobuf message"),
        (b"\x0c", "is no protobuf message"),
        (b"\x00\x00", "does not parse as Span"),
        (block(15, b"\x12\x7f"), "is cut short"),
    ],
)
def test_garbage_in_a_record(inside: bytes, why: str) -> None:
    """A record whose bytes are no message is refused alone."""
    good = span("good").SerializeToString()
    body = block(1, block(2, block(2, good), block(2, inside), block(2, good)))
    kept, refusals = take(body)
    assert names(kept) == [["good", "good"]]
    ((path, reason),) = refusals.malformed().violations
    assert path.startswith(f"{SPANS}[1]")
    assert reason == why


def test_too_deep_is_refused_alone() -> None:
    """A record nested past protobuf's limit is refused; one just below it is kept, as it parses in its envelopes."""

    def nested(levels: int) -> bytes:
        value = block(1, b"core")
        for _ in range(levels):
            value = block(5, block(1, value))
        return block(5, b"deep") + block(9, block(1, b"k"), block(2, value))

    most = next(n for n in range(200) if not _parses(block(1, block(2, block(2, nested(n + 1))))))
    body = block(1, block(2, *(block(2, nested(levels)) for levels in (most, most + 1, 500, 1))))
    kept, refusals = take(body)
    assert names(kept) == [["deep", "deep"]]
    assert [path for path, _ in refusals.malformed().violations][1].startswith(f"{SPANS}[2]")
    assert refusals.receipt.rejected == 2


def _parses(body: bytes) -> bool:
    try:
        ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return False
    return True


def test_a_bad_resource_costs_its_records() -> None:
    """A resource or scope that does not parse is refused with the records below it; the others are kept."""
    request = traces(span("a"), span("b"), resource={"host": "SPOIL"})
    request.MergeFrom(traces(span("c"), scope="SPOIL"))
    request.resource_spans[1].scope_spans.add().spans.add(name="d")
    kept, refusals = take(spoil(request))
    assert names(kept) == [["d"]]
    assert refusals.receipt.rejected == 3
    assert [path for path, _ in refusals.malformed().violations] == [
        "resourceSpans[0].resource.attributes[1].value.stringValue",
        "resourceSpans[1].scopeSpans[0].scope.name",
    ]


def test_records_of_a_bad_resource_are_counted_once() -> None:
    """A bad span in a bad resource is one of its records, not one more."""
    _, refusals = take(spoil(traces(span("a"), span("SPOIL"), resource={"host": "SPOIL"})))
    assert refusals.receipt.rejected == 2
    assert len(refusals) == 1


def test_logs() -> None:
    """Log records too; a bad body is named."""
    request = logs(log_record("a"), log_record({"k": "SPOIL"}), log_record("b"))
    kept, refusals = take(spoil(request), WIRE[Signal.LOGS].request)
    assert [each.body.string_value for each in kept.resource_logs[0].scope_logs[0].log_records] == ["a", "b"]
    path = "resourceLogs[0].scopeLogs[0].logRecords[1].body.kvlistValue.values[0].value.stringValue"
    assert refusals.malformed().violations == [(path, "is not UTF-8")]


def test_metrics() -> None:
    """In metrics the record is the data point; a metric that does not parse costs its points."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    total = metrics.add(name="sum", unit="1").sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    for label in ("x", "SPOIL", "y"):
        total.data_points.add(as_int=2**62).attributes.extend(attributes({"k": label}))
    for _ in range(3):
        metrics.add(name="SPOIL").gauge.data_points.add(as_int=1)
    metrics.add(name="good").histogram.data_points.add(count=1)
    kept, refusals = take(spoil(request), ExportMetricsServiceRequest)
    first, last = kept.resource_metrics[0].scope_metrics[0].metrics
    assert (first.name, first.unit, first.sum.aggregation_temporality, first.sum.is_monotonic) == ("sum", "1", 2, True)
    assert [(p.as_int, p.attributes[0].value.string_value) for p in first.sum.data_points] == [
        (2**62, "x"),
        (2**62, "y"),
    ]
    assert last.name == "good"
    assert refusals.receipt.rejected == 4
    where = "resourceMetrics[0].scopeMetrics[0].metrics"
    assert [path for path, _ in refusals.malformed().violations][:2] == [
        f"{where}[0].sum.dataPoints[1].attributes[0].value.stringValue",
        f"{where}[1].name",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"hello world",
        block(1, b"\xff\xff"),
        block(1, block(2, b"\x0a\x7f")),
        block(1, block(2, block(2, block(5, b"fine"))))[:-1],
        b"\x0a\x05",
        block(1, block(3, b"\xff")),
    ],
)
def test_no_records_to_be_seen(body: bytes) -> None:
    """What is broken above its records is not mended: the request is refused as a whole."""
    kept, refusals = take(body)
    assert kept is None
    assert not refusals


def test_all_bad() -> None:
    """Where every record is bad nothing is kept, and each is counted."""
    kept, refusals = take(spoil(traces(*(span("SPOIL") for _ in range(9)))))
    assert names(kept) == [[]]
    assert refusals.receipt.rejected == 9
    assert refusals.receipt.message.endswith("; …")


@given(st.integers(0, 2**32))
def test_any_damage(seed: int) -> None:
    """Whatever bytes are damaged: what is kept parses, and kept and refused together are all there were."""
    choose = random.Random(seed)
    bodies = [
        bytearray(span(f"n{n}", {"k": "v", "l": [1, "x"]}, events=[{"name": "e"}]).SerializeToString())
        for n in range(6)
    ]
    for body in choose.sample(bodies, choose.randint(1, 4)):
        for _ in range(choose.randint(1, 3)):
            body[choose.randrange(len(body))] = choose.choice((0, 0xFF, 0x80, 0xC0, choose.randrange(256)))
    whole = block(1, block(2, *(block(2, bytes(body)) for body in bodies)))
    if _parses(whole):
        return
    kept, refusals = take(whole)
    spans = kept.resource_spans[0].scope_spans[0].spans
    good = [bytes(body) for body in bodies if _parses(block(1, block(2, block(2, bytes(body)))))]
    assert [each.SerializeToString(deterministic=True) for each in spans] == [
        type(each).FromString(raw).SerializeToString(deterministic=True) for each, raw in zip(spans, good, strict=True)
    ]
    assert len(spans) + refusals.receipt.rejected == 6
