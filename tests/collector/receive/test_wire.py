"""The contract: whatever the validator accepts, ClickHouse can load, and the rows say what protobuf says.

Protobuf is generous: fields come in any order and may repeat, numbers may be written longer than needed, unknown fields
of any type are skipped. OTLP clients rarely make use of it, but one body that ClickHouse reads differently than the
validator did would stop or corrupt a whole segment. So here bodies are bent in every way the wire format allows.
"""

from __future__ import annotations

import json
import os
import random
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from balance import assert_balanced
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from json_mutants import bent, written
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_builders import attributes, exemplar, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess

from collector.receive.wire import WIRE
from collector.request import Signal, varint

VARINT, FIXED64, LENGTH, START, END, FIXED32 = range(6)
REQUESTS: dict[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
MINUS_ONE = 2**64 - 1  # how protobuf writes -1 in a varint

# --- bodies by hand: one for each freedom of the wire format


def tag(number: int, wire: int) -> bytes:
    """Return a field's tag."""
    return varint(number << 3 | wire)


def block(number: int, *parts: bytes) -> bytes:
    """Return a field of bytes, text or a message."""
    data = b"".join(parts)
    return tag(number, LENGTH) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    """Return a varint field."""
    return tag(field, VARINT) + varint(value)


def long_varint(value: int, length: int) -> bytes:
    """Write a number in more bytes than it needs."""
    return bytes([value >> 7 * at & 0x7F | 0x80 for at in range(length - 1)]) + bytes(
        [value >> 7 * (length - 1) & 0x7F]
    )


TRACE_ID, SPAN_ID, NAME = block(1, b"\1" * 16), block(2, b"\2" * 8), block(5, b"name")


def with_span(*parts: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    """Return a traces request of one span."""
    return block(1, resource, block(2, scope, block(2, TRACE_ID, SPAN_ID, NAME, *parts)))


def nameless(*parts: bytes) -> bytes:
    """Return a traces request of one span that has no name yet."""
    return block(1, block(2, block(2, TRACE_ID, SPAN_ID, *parts)))


def with_value(*parts: bytes) -> bytes:
    """Return a traces request of one span with one attribute of this value."""
    return with_span(block(9, block(1, b"key"), block(2, *parts)))


TEXT, INT, BOOL = block(1, b"text"), number(3, 7), number(2, 1)
LIST, OTHER_LIST = block(5, block(1, number(3, 1))), block(5, block(1, number(3, 2)))
MAP = block(6, block(1, block(1, b"k"), block(2, number(3, 1))))
RESOURCE = block(1, block(1, block(1, b"service.name"), block(2, block(1, b"a"))))
OTHER_RESOURCE = block(1, block(1, block(1, b"host"), block(2, block(1, b"b"))))
UNKNOWN_GROUP = tag(1000, START) + number(1, 2) + block(3, b"x") + tag(1000, END)

BODIES: dict[str, bytes] = {
    "plain": with_span(),
    # numbers
    "kind -1": with_span(number(6, MINUS_ONE)),
    "kind above 32 bits": with_span(number(6, 2**32 + 2)),
    "kind not yet named": with_span(number(6, 99)),
    "status code -1": with_span(block(15, number(3, MINUS_ONE))),
    "status code not yet named": with_span(block(15, number(3, 7))),
    "dropped count above 32 bits": with_span(number(10, 2**40 + 7)),
    "dropped count of 32 bits": with_span(number(10, 2**32 - 1)),
    "bool 2": with_value(number(2, 2)),
    "bool 256": with_value(number(2, 256)),
    "bool 2^63": with_value(number(2, 2**63)),
    "int -1": with_value(number(3, MINUS_ONE)),
    "int of 64 bits": with_value(number(3, 2**63)),
    "long varint as bool": with_value(tag(2, VARINT) + long_varint(1, 5)),
    "long varint as int": with_value(tag(3, VARINT) + long_varint(1, 10)),
    "long varint as tag": nameless(long_varint(5 << 3 | LENGTH, 4) + b"\4long"),
    "long varint as length": nameless(tag(5, LENGTH) + long_varint(4, 5) + b"long"),
    "long varint as length of a message": block(1, tag(2, LENGTH) + long_varint(5, 5) + block(2, NAME[:1] + b"\1x")),
    "varint of 70 bits": with_span(tag(6, VARINT) + b"\xff" * 9 + b"\x7f"),
    "start 0": with_span(tag(7, FIXED64) + bytes(8)),
    "start 2^64-1": with_span(tag(7, FIXED64) + b"\xff" * 8),
    "start 2^63": with_span(tag(7, FIXED64) + bytes(7) + b"\x80"),
    "start 2^63-1": with_span(tag(7, FIXED64) + b"\xff" * 7 + b"\x7f"),
    "end 2^64-1": with_span(tag(8, FIXED64) + b"\xff" * 8),
    "end before start": with_span(tag(7, FIXED64) + b"\5" * 8 + tag(8, FIXED64) + b"\4" * 8),
    "event time 2^64-1": with_span(block(11, tag(1, FIXED64) + b"\xff" * 8)),
    "flags of 32 bits": with_span(tag(16, FIXED32) + b"\xff" * 4),
    # fields that may come once, twice
    "name twice": with_span(block(5, b"second")),
    "name thrice, the last empty": with_span(block(5, b"second"), block(5)),
    "trace id twice": with_span(block(1, b"\3" * 16)),
    "kind twice": with_span(number(6, 1), number(6, 2)),
    "end twice": with_span(tag(8, FIXED64) + b"\1" + bytes(7), tag(8, FIXED64) + b"\2" + bytes(7)),
    "status twice": with_span(block(15, number(3, 2)), block(15, block(2, b"why"))),
    "status message twice": with_span(block(15, block(2, b"first"), block(2, b"second"))),
    "resource twice": with_span(resource=RESOURCE + OTHER_RESOURCE),
    "scope twice": with_span(scope=block(1, block(1, b"a")) + block(1, block(2, b"1"))),
    "scope name twice": with_span(scope=block(1, block(1, b"a")) + block(1, block(1, b"b"))),
    "schema url twice": with_span(resource=block(3, b"first") + block(3, b"second")),
    "attribute key twice": with_span(block(9, block(1, b"first"), block(1, b"second"), block(2, INT))),
    "attribute value twice": with_span(block(9, block(1, b"k"), block(2, INT), block(2, TEXT))),
    "attribute value twice, lists": with_span(block(9, block(1, b"k"), block(2, LIST), block(2, OTHER_LIST))),
    "attribute value twice, the last empty": with_span(block(9, block(1, b"k"), block(2, INT), block(2))),
    "event name twice": with_span(block(11, block(2, b"first"), block(2, b"second"))),
    "link id twice": with_span(block(13, block(1, b"\1" * 16), block(1, b"\2" * 16))),
    # a oneof set more than once
    "text and int": with_value(TEXT, INT),
    "int and text": with_value(INT, TEXT),
    "text and text": with_value(TEXT, block(1, b"second")),
    "list and list": with_value(LIST, OTHER_LIST),
    "list, int, list": with_value(LIST, INT, OTHER_LIST),
    "map and list": with_value(MAP, LIST),
    "list and map": with_value(LIST, MAP),
    "text and list": with_value(TEXT, LIST),
    "list and text": with_value(LIST, TEXT),
    "bool and bytes": with_value(BOOL, block(7, b"\0\1")),
    "in a list: int and text": with_value(block(5, block(1, INT, TEXT))),
    # a known field with another wire type is an unknown field
    "name as varint": nameless(number(5, 3)),
    "name as fixed": nameless(tag(5, FIXED32) + b"\2abc"),
    "span as varint": block(1, block(2, number(2, 3), block(2, NAME))),
    "attribute as fixed": with_span(tag(9, FIXED64) + b"12345678"),
    "start as varint": with_span(number(7, 5)),
    "start as bytes": with_span(block(7, b"\1" * 8)),
    "kind as bytes": with_span(block(6, b"\1")),
    "kind packed": with_span(block(6, b"\1\2\3")),
    "kind as fixed": with_span(tag(6, FIXED32) + b"\1\0\0\0"),
    "bool as fixed": with_value(tag(2, FIXED32) + b"\1\0\0\0"),
    "text as varint": with_value(number(1, 3)),
    "int as bytes": with_value(block(3, b"\1")),
    "value as varint": with_span(block(9, block(1, b"k"), number(2, 1))),
    "name as group": nameless(tag(5, START) + number(1, 2) + tag(5, END)),
    "request field as varint": number(1, 5) + with_span(),
    # unknown fields
    "unknown varint": with_span(number(1000, 5)),
    "unknown bytes": with_span(block(1000, b"abc")),
    "unknown fixed64": with_span(tag(1000, FIXED64) + b"12345678"),
    "unknown fixed32": with_span(tag(1000, FIXED32) + b"1234"),
    "unknown group": with_span(UNKNOWN_GROUP),
    "unknown group at the top": UNKNOWN_GROUP + with_span(),
    "unknown group in a group": with_span(tag(1000, START), UNKNOWN_GROUP, tag(1000, END)),
    "unknown group in a value": with_value(TEXT, UNKNOWN_GROUP),
    "unknown in a value": with_value(number(99, 1)),
    "unknown in a value beside text": with_value(TEXT, number(99, 1)),
    "largest field number": with_span(number(2**29 - 1, 1)),
    "number of the journal's own frame": with_span(block(15, block(2, b"m"))) + block(15, b"\x0d1234"),
    "numbers of the journal's envelope": with_span() + block(2, b"tenant") + block(10, b"\1") + block(11, b"\1"),
    # ids and emptiness
    "ids of odd lengths": block(1, block(2, block(2, block(1, b"abc"), block(2), block(4, b"x" * 40)))),
    "ids of zeros": block(1, block(2, block(2, block(1, bytes(16)), block(2, bytes(8)), block(4, bytes(8))))),
    "link ids of zeros": with_span(block(13, block(1, bytes(16)), block(2, bytes(8)))),
    "empty span": block(1, block(2, block(2))),
    "empty spans": block(1, block(2, block(2) * 3)),
    "empty status, event, link, attribute": with_span(*(block(field) for field in (15, 11, 13, 9))),
    "empty value": with_span(block(9, block(2))),
    "value without a key": with_span(block(9, block(2, INT))),
    "empty list": with_value(block(5)),
    "empty map": with_value(block(6)),
    "empty list in a list": with_value(block(5, block(1, block(5)))),
    "empty element of a list": with_value(block(5, block(1))),
    "empty entry of a map": with_value(block(6, block(1))),
    "empty text": with_value(block(1)),
    "envelopes around": block(1) + with_span() + block(1, block(2)) + with_span(),
    "fields backwards": block(1, block(2, block(2, NAME, SPAN_ID, TRACE_ID), block(1, block(1, b"s"))), RESOURCE),
    "text with a zero": nameless(block(5, b"a\0b")),
    "long name": nameless(block(5, b"n" * 100_000)),
}


@pytest.fixture(scope="module")
def outcomes(journey: Any) -> dict[str, Any]:
    """What became of each body; they share an insert."""
    return journey.travel(BODIES)


# --- the same for metrics, where they have freedoms of their own

GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = 5, 7, 9, 10, 11
AT = tag(3, FIXED64) + (1_790_000_000_000_000_000).to_bytes(8, "little")
AS_INT, AS_DOUBLE = tag(6, FIXED64) + b"\5" + bytes(7), tag(4, FIXED64) + bytes(6) + b"\xf8\x3f"
ONES = b"\1" * 8


def with_metric(*parts: bytes) -> bytes:
    """Return a metrics request of one metric."""
    return block(1, block(2, block(2, block(1, b"metric"), *parts)))


def with_point(kind: int, *parts: bytes) -> bytes:
    """Return a metrics request of one data point of this kind."""
    return with_metric(block(kind, block(1, AT, *parts)))


METRIC_BODIES: dict[str, bytes] = {
    # which kind, which value
    "no kind": with_metric(),
    "a kind nobody knows yet": with_metric(block(13, block(1, AT))),
    "a kind nobody knows yet beside one known": with_metric(block(13, block(1, AT))) + with_point(GAUGE, AS_INT),
    "gauge without points": with_metric(block(GAUGE)),
    "gauge twice": with_metric(block(GAUGE, block(1, AT, AS_INT)), block(GAUGE, block(1, AT, AS_DOUBLE))),
    "gauge and sum": with_metric(block(GAUGE, block(1, AT, AS_INT)), block(SUM, block(1, AT, AS_DOUBLE))),
    "sum and gauge and sum": with_metric(*(block(kind, block(1, AT, AS_INT)) for kind in (SUM, GAUGE, SUM))),
    "histogram and gauge": with_metric(block(HISTOGRAM, block(1, AT), number(2, 2)), block(GAUGE, block(1, AT))),
    "int and double": with_point(GAUGE, AS_INT, AS_DOUBLE),
    "double and int": with_point(GAUGE, AS_DOUBLE, AS_INT),
    "int twice": with_point(SUM, AS_INT, tag(6, FIXED64) + b"\xff" * 8),
    "no value": with_point(GAUGE),
    "int 0": with_point(GAUGE, tag(6, FIXED64) + bytes(8)),
    "double 0": with_point(GAUGE, tag(4, FIXED64) + bytes(8)),
    "int -2^63": with_point(SUM, tag(6, FIXED64) + bytes(7) + b"\x80"),
    "double NaN": with_point(GAUGE, tag(4, FIXED64) + b"\xff" * 8),
    "in an exemplar: no value": with_point(GAUGE, block(5, tag(2, FIXED64) + ONES)),
    "in an exemplar: int and double": with_point(GAUGE, block(5, AS_INT, tag(3, FIXED64) + ONES)),
    "in an exemplar: double 0": with_point(GAUGE, block(5, tag(3, FIXED64) + bytes(8))),
    "in an exemplar: ids of zeros": with_point(GAUGE, block(5, block(4, bytes(8)), block(5, bytes(16)))),
    "empty exemplars": with_point(HISTOGRAM, block(8) * 3),
    # optional fields
    "nothing optional": with_point(HISTOGRAM),
    "sum 0": with_point(HISTOGRAM, tag(5, FIXED64) + bytes(8)),
    "sum -0": with_point(HISTOGRAM, tag(5, FIXED64) + bytes(7) + b"\x80"),
    "sum twice": with_point(HISTOGRAM, tag(5, FIXED64) + ONES, tag(5, FIXED64) + bytes(8)),
    "min and max 0": with_point(EXPONENTIAL, tag(12, FIXED64) + bytes(8), tag(13, FIXED64) + bytes(8)),
    "max alone": with_point(EXPONENTIAL, tag(13, FIXED64) + ONES),
    # numbers
    "monotonic 2": with_metric(block(SUM, block(1, AT), number(3, 2))),
    "temporality -1": with_metric(block(SUM, block(1, AT), number(2, MINUS_ONE))),
    "temporality not yet named": with_metric(block(HISTOGRAM, block(1, AT), number(2, 99))),
    "temporality above 32 bits": with_metric(block(EXPONENTIAL, block(1, AT), number(2, 2**32 + 2))),
    "flags above 32 bits": with_point(GAUGE, number(8, 2**40 + 1)),
    "scale -2^31": with_point(EXPONENTIAL, number(6, 2**32 - 1)),
    "scale above 32 bits": with_point(EXPONENTIAL, number(6, 2**40 + 3)),
    "offset -1": with_point(EXPONENTIAL, block(8, number(1, 1)), block(9, number(1, 2**32 - 1))),
    "count 2^64-1": with_point(HISTOGRAM, tag(4, FIXED64) + b"\xff" * 8),
    "zero count 2^64-1": with_point(EXPONENTIAL, tag(7, FIXED64) + b"\xff" * 8),
    "time 0": with_metric(block(GAUGE, block(1))),
    "time 2^63": with_metric(block(GAUGE, block(1, tag(3, FIXED64) + bytes(7) + b"\x80"))),
    "time 2^63-1": with_metric(block(SUM, block(1, tag(3, FIXED64) + b"\xff" * 7 + b"\x7f"))),
    "time 2^64-1": with_metric(block(SUMMARY, block(1, tag(3, FIXED64) + b"\xff" * 8))),
    "start 2^64-1": with_point(HISTOGRAM, tag(2, FIXED64) + b"\xff" * 8),
    # repeated numbers: packed, one by one, or mixed
    "fixed packed": with_point(HISTOGRAM, block(6, ONES, ONES), block(7, ONES)),
    "fixed one by one": with_point(HISTOGRAM, (tag(6, FIXED64) + ONES) * 2, (tag(7, FIXED64) + ONES) * 2),
    "fixed mixed": with_point(HISTOGRAM, block(6, ONES), tag(6, FIXED64) + ONES, block(6), block(6, ONES, ONES)),
    "varints packed": with_point(EXPONENTIAL, block(8, block(2, b"\1\2" + varint(MINUS_ONE)))),
    "varints one by one": with_point(EXPONENTIAL, block(9, number(2, 3), number(2, MINUS_ONE))),
    "varints mixed": with_point(EXPONENTIAL, block(8, number(2, 3), block(2, b"\1\2"), number(2, 5))),
    "varints longer than needed": with_point(EXPONENTIAL, block(8, block(2, long_varint(3, 10) + long_varint(4, 4)))),
    "more bounds than counts": with_point(HISTOGRAM, block(7, ONES * 3)),
    # messages that may come once, twice
    "positive twice": with_point(EXPONENTIAL, block(8, number(1, 2), number(2, 1)), block(8, number(2, 2))),
    "negative alone": with_point(EXPONENTIAL, block(9, number(1, 1), number(2, 1))),
    "empty quantiles": with_point(SUMMARY, block(6) * 2),
    "a quantile": with_point(SUMMARY, block(6, tag(1, FIXED64) + ONES, tag(2, FIXED64) + ONES), tag(5, FIXED64) + ONES),
    "name twice": with_metric(block(1, b"second"), block(GAUGE, block(1, AT))),
    "metadata": with_metric(block(12, block(1, b"k"), block(2, TEXT)), block(GAUGE, block(1, AT, AS_INT))),
    "metadata twice": with_metric(block(12, block(1, b"k"), block(2, INT)) * 2, block(GAUGE, block(1, AT, AS_INT))),
    "metadata without a value": with_metric(block(12, block(1, b"k")), block(12), block(GAUGE, block(1, AT, AS_INT))),
    # many, none, and other metrics between
    "points of several kinds": with_point(GAUGE, AS_INT)
    + with_metric(block(SUMMARY, block(1, AT) * 3))
    + with_point(EXPONENTIAL)
    + with_metric()
    + with_metric(block(SUM, block(1, AT, AS_INT) * 2, number(2, 1)))
    + with_point(HISTOGRAM),
    "envelopes around": block(1) + with_point(GAUGE) + block(1, block(2)) + block(1, block(2, block(2))),
    # fields of a newer version, and known fields with another wire type
    "unknown in a point": with_point(GAUGE, AS_INT, number(1000, 5), block(1001, b"abc")),
    "unknown in a metric": with_metric(block(99, b"abc"), block(GAUGE, block(1, AT, AS_INT))),
    "unknown in a sum": with_metric(block(SUM, block(1, AT, AS_INT), number(99, 1))),
    "int as varint": with_point(GAUGE, number(6, 5)),
    "sum as varint": with_point(HISTOGRAM, number(5, 5)),
    "gauge as varint": with_metric(number(GAUGE, 5)),
}


@pytest.fixture(scope="module")
def metric_outcomes(journey: Any) -> dict[str, Any]:
    """What became of each body of metrics; they share an insert."""
    return journey.travel(METRIC_BODIES, Signal.METRICS)


@pytest.mark.parametrize("body", METRIC_BODIES)
def test_every_freedom_metrics_have(metric_outcomes: dict[str, Any], reference: Any, body: str) -> None:
    """As for spans: accepted, the rows of all five tables say exactly what protobuf's own parser says."""
    outcome, parsed = metric_outcomes[body], ExportMetricsServiceRequest.FromString(METRIC_BODIES[body])
    assert not outcome.refused
    if strays(parsed) and "unknown" not in body and "nobody knows" not in body:
        return
    assert not outcome.error, f"accepted, but ClickHouse does not take {METRIC_BODIES[body].hex()}"
    expected = reference.points(parsed)
    assert outcome.items == len(expected)
    assert sorted(outcome.rows, key=repr) == expected, METRIC_BODIES[body].hex()


def strays(parsed: Message) -> bool:
    """Tell whether a message carries fields the schema does not know, or knows with another wire type.

    Dropping them would cost 2.5 us a span (`DiscardUnknownFields`), more than all the rest of validation. ClickHouse
    skips most; of a group, or of a field of ours with a wrong wire type, it makes an error (the request is set aside
    alone) or a wrong value. No encoder of OTLP writes either; what a newer OTLP adds is of a new number and is skipped.
    """
    before = parsed.ByteSize()
    copy = type(parsed).FromString(parsed.SerializeToString())
    copy.DiscardUnknownFields()
    return copy.ByteSize() != before


def strays_if_read(body: bytes, signal: Signal) -> bool:
    """Tell whether a body reads and strays."""
    try:
        return strays(REQUESTS[signal].FromString(body))
    except DecodeError:
        return False


NEWER = {"unknown varint", "unknown bytes", "unknown fixed64", "unknown fixed32", "unknown in a value"}


@pytest.mark.parametrize("body", sorted(NEWER))
def test_fields_of_a_newer_otlp_are_skipped(outcomes: dict[str, Any], reference: Any, body: str) -> None:
    """A field with a number this version does not know changes nothing of the others."""
    outcome = outcomes[body]
    assert not outcome.refused
    assert outcome.rows == reference.spans(ExportTraceServiceRequest.FromString(BODIES[body]))


@pytest.mark.parametrize("body", BODIES)
def test_every_freedom_of_the_wire_format(outcomes: dict[str, Any], reference: Any, body: str) -> None:
    """A body is refused, or its rows say exactly what protobuf's own parser says.

    A body with fields no encoder of OTLP writes may also be set aside, or its own rows be bent (see `strays`).
    """
    outcome = outcomes[body]
    if outcome.refused or strays(ExportTraceServiceRequest.FromString(BODIES[body])):
        return
    assert not outcome.error, f"accepted, but ClickHouse does not take {BODIES[body].hex()}"
    expected = reference.spans(ExportTraceServiceRequest.FromString(BODIES[body]))
    assert outcome.items == len(expected)
    assert outcome.rows == expected, BODIES[body].hex()


def test_most_freedoms_are_accepted(outcomes: dict[str, Any]) -> None:
    """Valid protobuf is not refused: clients may use what the format allows, so the test above says something."""
    refused = [label for label, outcome in outcomes.items() if outcome.refused]
    assert set(refused) <= {"varint of 70 bits"}


# --- bodies by chance: a tree of fields, bent at random


class Field:
    """One field on the wire; `value` is a number, bytes, or the fields of a message."""

    def __init__(self, number: int, wire: int, value: int | bytes | list[Field], kind: Descriptor | None) -> None:
        """Keep the message's descriptor in `kind`."""
        self.number, self.wire, self.value, self.kind = number, wire, value, kind

    def encode(self, choose: random.Random) -> bytes:
        """Write it, some numbers longer than needed."""
        head = spelled(self.number << 3 | self.wire, choose)
        if isinstance(self.value, list):
            inner = b"".join(each.encode(choose) for each in self.value)
            return (
                head + inner + tag(self.number, END)
                if self.wire == START
                else head + spelled(len(inner), choose) + inner
            )
        if isinstance(self.value, bytes):
            return head + (spelled(len(self.value), choose) if self.wire == LENGTH else b"") + self.value
        return head + spelled(self.value, choose)


def clone(found: list[Field]) -> list[Field]:
    """Copy fields and all below them."""
    return [
        Field(each.number, each.wire, clone(each.value) if isinstance(each.value, list) else each.value, each.kind)
        for each in found
    ]


def spelled(value: int, choose: random.Random) -> bytes:
    """Write a varint, one in two hundred longer than needed."""
    short = varint(value)
    return long_varint(value, min(10, len(short) + 1)) if choose.random() < 0.005 and len(short) < 5 else short


def fields(message: Message) -> list[Field]:
    """Take a message apart."""
    return [
        _field(descriptor, value)
        for descriptor, content in message.ListFields()
        for value in (content if descriptor.is_repeated else [content])
    ]


def _field(descriptor: FieldDescriptor, value: Any) -> Field:
    if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
        return Field(descriptor.number, LENGTH, fields(value), descriptor.message_type)
    holder = descriptor.containing_type._concrete_class()
    at = len(tag(descriptor.number, 0))
    if descriptor.is_repeated:  # numbers, packed: each in a pack of its own
        getattr(holder, descriptor.name).append(value)
        return Field(descriptor.number, LENGTH, holder.SerializeToString()[at + 1 :], None)
    setattr(holder, descriptor.name, value)
    raw = holder.SerializeToString()
    wire = raw[0] & 7 if raw else VARINT
    if wire == VARINT:
        return Field(descriptor.number, VARINT, int(value) % 2**64, None)
    if wire == LENGTH:
        return Field(descriptor.number, LENGTH, value.encode() if isinstance(value, str) else bytes(value), None)
    return Field(descriptor.number, wire, raw[at:], None)


EDGES = (0, 1, 2, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, MINUS_ONE)


def every(found: list[Field]) -> list[list[Field]]:
    """Return the list and those of all messages in it."""
    return [found, *(deeper for each in found if isinstance(each.value, list) for deeper in every(each.value))]


def bend(found: list[Field], choose: random.Random) -> None:  # noqa: C901 - one case a way to bend
    """Change the fields of some message in one way."""
    home = choose.choice(every(found))
    if not home:
        return
    at = choose.randrange(len(home))
    one = home[at]
    match choose.choice(("twice", "drop", "swap", "edge", "unknown", "wire", "empty", "copy", "oneof", "text")):
        case "twice":
            home[at:at] = clone([one])
        case "drop":
            del home[at]
        case "swap":
            choose.shuffle(home)
        case "edge" if one.wire == VARINT:
            home[at] = Field(one.number, VARINT, choose.choice(EDGES), None)
        case "edge" if one.wire in {FIXED32, FIXED64}:
            home[at] = Field(one.number, one.wire, choose.choice((b"\xff", b"\0", b"\x80")) * len(one.value), None)
        case "unknown":
            home.insert(at, unknown(choose))
        case "wire":
            home[at] = unknown(choose, one.number)
        case "empty" if one.wire == LENGTH:
            home[at] = Field(one.number, LENGTH, [] if one.kind else b"", one.kind)
        case "copy":
            donor = choose.choice(every(found))
            home[at:at] = clone(donor[: choose.randrange(3)])
        case "oneof":
            home.insert(
                at, Field(choose.randint(1, 7), *choose.choice(((VARINT, 1), (LENGTH, b""), (LENGTH, b"ab"))), None)
            )
        case "text" if one.wire == LENGTH and not one.kind:
            home[at] = Field(one.number, LENGTH, choose.choice((b"\xff", b"a\0b", b"x" * 300, "é".encode())), None)


def unknown(choose: random.Random, field: int | None = None) -> Field:
    """Make a field nobody knows, or a known number with any wire type."""
    field = field or choose.choice((17, 99, 1000, 19000, 2**29 - 1))
    wire = choose.choice((VARINT, FIXED64, LENGTH, START, FIXED32))
    value: Any = {VARINT: choose.choice(EDGES), FIXED64: b"12345678", LENGTH: b"abc", FIXED32: b"1234"}.get(wire)
    return Field(field, wire, [Field(1, VARINT, 1, None)] if wire == START else value, None)


def scramble(body: bytes, choose: random.Random) -> bytes:
    """Flip, insert or delete single bytes, so that lengths lie."""
    out = bytearray(body)
    for _ in range(choose.randint(1, 3)):
        at = choose.randrange(len(out))
        match choose.choice(("flip", "insert", "delete", "set")):
            case "flip":
                out[at] ^= 1 << choose.randrange(8)
            case "insert":
                out.insert(at, choose.randrange(256))
            case "delete" if len(out) > 1:
                del out[at]
            case _:
                out[at] = choose.choice((0, 0x7F, 0x80, 0xFF))
    return bytes(out)


VALUES: dict[str, Any] = {
    "text": "hé",
    "yes": True,
    "count": -5,
    "share": 0.25,
    "raw": b"\0\xff",
    "none": None,
    "list": [1, "a", 2.5, None],
    "map": {"b": 1, "a": "x"},
}


def seedlings() -> dict[Signal, Message]:
    """Return a request of each signal in which every field OTLP has is set."""
    one = span("work", VALUES, trace_state="a=b", parent_span_id=secrets.token_bytes(8), flags=257)
    one.status.message, one.status.code = "why", 2
    one.events.add(name="happened", time_unix_nano=5, dropped_attributes_count=1).attributes.extend(attributes(VALUES))
    link = one.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8, trace_state="c=d", flags=1)
    link.attributes.extend(attributes({"k": [1]}))
    one.dropped_attributes_count, one.dropped_events_count, one.dropped_links_count = 1, 2, 3
    spans = traces(one, span("other", {"deep": [[1], {"k": []}]}), resource=VALUES)
    spans.resource_spans[0].schema_url = "https://example.org/1"
    spans.resource_spans[0].scope_spans[0].schema_url = "https://example.org/2"
    spans.resource_spans[0].scope_spans[0].scope.attributes.extend(attributes(VALUES))
    record = log_record(VALUES, VALUES, trace_id=b"\3" * 16, span_id=b"\4" * 8, flags=1, event_name="e")
    record.observed_time_unix_nano, record.dropped_attributes_count = 7, 4
    return {
        Signal.TRACES: spans,
        Signal.LOGS: logs(record, log_record(None), resource=VALUES),
        Signal.METRICS: metrics_of_every_field(),
    }


def metrics_of_every_field() -> ExportMetricsServiceRequest:
    """Return a metrics request in which every field OTLP has is set."""
    seen = exemplar({"k": "v", "n": 1}, span_id=b"\1" * 8, trace_id=b"\2" * 16, as_double=2.5)
    counted = exemplar(VALUES, as_int=2**60 + 1)
    shared = {"count": 2**53 + 1, "sum": 1.5, "min": -0.0, "max": 9.25, "flags": 1, "exemplars": [seen, counted]}
    spread = point("exponential_histogram", VALUES, scale=-3, zero_count=7, zero_threshold=1e-9, **shared)
    spread.positive.offset, spread.negative.offset = 5, -6
    spread.positive.bucket_counts.extend([1, 0, 2**63])
    spread.negative.bucket_counts.extend([3])
    ranks = point("summary", VALUES, count=3, sum=4.5, flags=1)
    ranks.quantile_values.add(quantile=0.5, value=1.25)
    ranks.quantile_values.add(quantile=1.0, value=-7.0)
    told = {"description": "what it says", "unit": "ms", "metadata": attributes(VALUES)}
    counts = {"bucket_counts": [1, 2, 3], "explicit_bounds": [0.5, 1e300]}
    request = metrics(
        metric("gauge", point("gauge", VALUES, as_double=0.1, flags=1, exemplars=[seen]), **told),
        metric("sum", point("sum", VALUES, as_int=2**53 + 1), aggregation_temporality=2, is_monotonic=True, **told),
        metric("histogram", point("histogram", VALUES, **shared, **counts), aggregation_temporality=1, **told),
        metric("exponential_histogram", spread, aggregation_temporality=2, **told),
        metric("summary", ranks, **told),
        resource=VALUES,
    )
    only = request.resource_metrics[0]
    only.schema_url, only.scope_metrics[0].schema_url = "https://example.org/1", "https://example.org/2"
    only.resource.dropped_attributes_count, only.scope_metrics[0].scope.dropped_attributes_count = 3, 4
    only.scope_metrics[0].scope.version = "1.2"
    only.scope_metrics[0].scope.attributes.extend(attributes(VALUES))
    return request


def mutants(signal: Signal, choose: random.Random, count: int) -> dict[str, bytes]:
    """Return bent bodies of a signal."""
    seedling = seedlings()[signal]
    found = {}
    for label in range(count):
        tree = fields(seedling)
        for _ in range(choose.choice((1, 1, 1, 2, 5))):
            bend(tree, choose)
        body = b"".join(each.encode(choose) for each in tree)
        found[str(label)] = scramble(body, choose) if choose.random() < 0.3 and body else body
    return found


def repeats_a_key(message: Message) -> bool:
    """Tell whether some map inside names a key twice; test_nested.py says what that means."""
    for descriptor, content in message.ListFields():
        if descriptor.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        inner = content if descriptor.is_repeated else [content]
        if descriptor.name == "kvlist_value":
            keys = [entry.key for entry in content.values]
            if len(keys) != len(set(keys)):
                return True
        if any(map(repeats_a_key, inner)):
            return True
    return False


@pytest.fixture
def choose() -> random.Random:
    """Pick the mutants; the seed is printed, so that a failure can be run again with FUZZ_SEED."""
    seed = int(os.environ.get("FUZZ_SEED", secrets.randbelow(10**6)))
    print(f"FUZZ_SEED={seed}")
    return random.Random(seed)


@pytest.mark.parametrize("signal", Signal)
def test_bent_bodies(journey: Any, reference: Any, choose: random.Random, signal: Signal) -> None:
    """Bent at random, a body is refused, or its rows say exactly what protobuf's own parser says (but see `strays`)."""
    bodies = mutants(signal, choose, int(os.environ.get("FUZZ_BODIES", "100")))
    if signal is Signal.METRICS:  # spans and log records show what strays do; to find each costs many inserts
        bodies = {label: body for label, body in bodies.items() if not strays_if_read(body, signal)}
    # those that may stop a segment lie together: halving finds them with a third of the inserts
    bodies = dict(sorted(bodies.items(), key=lambda each: strays_if_read(each[1], signal)))
    outcomes = journey.travel(bodies, signal)
    accepted = {label: outcome for label, outcome in outcomes.items() if not outcome.refused}
    assert len(accepted) > len(bodies) / 3, "most are refused: the test would prove little"
    assert len(accepted) < len(bodies), "none is refused: the mutants are too tame"
    expect: Callable[[Any], Any] = {
        Signal.TRACES: reference.spans,
        Signal.LOGS: reference.records,
        Signal.METRICS: reference.points,
    }[signal]
    wrong: dict[str, str] = {}
    for label, outcome in accepted.items():
        parsed = REQUESTS[signal].FromString(bodies[label])
        if strays(parsed):
            continue
        expected = expect(parsed)
        if outcome.error:
            wrong[bodies[label].hex()] = outcome.error
        elif outcome.items != len(expected) or len(outcome.rows) != len(expected):
            wrong[bodies[label].hex()] = f"{len(outcome.rows)} rows for {len(expected)} items"
        elif not repeats_a_key(parsed) and sorted(outcome.rows, key=repr) != sorted(expected, key=repr):
            wrong[bodies[label].hex()] = f"{outcome.rows} instead of {expected}"
    first = min(wrong.items(), key=lambda each: len(each[0]), default=None)
    assert not wrong, f"{len(wrong)} of {len(accepted)} accepted bodies, the shortest: {first}"


@pytest.mark.parametrize("signal", Signal)
def test_refused_is_what_protobuf_refuses(journey: Any, choose: random.Random, signal: Signal) -> None:
    """A bent body that protobuf's own parser reads is not refused."""
    for body in mutants(signal, choose, 300).values():
        try:
            parsed = REQUESTS[signal].FromString(body)
        except DecodeError:
            continue
        if parsed.ListFields():
            journey.validate(body, signal)


# --- through the door: every body gets an answer, and what is acknowledged is stored


def json_mutants(signal: Signal, choose: random.Random, count: int) -> list[bytes]:
    """Return bent documents of a signal, some of them damaged byte by byte."""
    seedling = written(seedlings()[signal])
    bodies = [json.dumps(bent(seedling, choose), ensure_ascii=choose.random() < 0.5).encode() for _ in range(count)]
    return [scramble(body, choose) if choose.random() < 0.2 else body for body in bodies]


def gauge(name: str, given: dict[str, object] | None = None) -> Any:
    """Make a gauge of one point with these attributes."""
    return metric("gauge", point("gauge", given, as_int=1), name=name)


BUILDERS: dict[Signal, Any] = {
    Signal.TRACES: (span, traces),
    Signal.LOGS: (log_record, logs),
    Signal.METRICS: (gauge, metrics),
}


def spoilt(signal: Signal, choose: random.Random, count: int) -> list[bytes]:
    """Return requests in which the text of some records, or of their resource, is no UTF-8; in the first one of all."""
    build, wrap = BUILDERS[signal]
    marks = [("fine", {"k": "v"})] * 5 + [("SPOIL", {}), ("fine", {"SPOIL": 1}), ("fine", {"k": [{"a": "SPOIL"}]})]
    bodies = [wrap(build("SPOIL")).SerializeToString().replace(b"SPOIL", b"\xff\xff\xff\xc0\xfe")]
    for _ in range(count - 1):
        request = wrap(*(build(*choose.choice(marks)) for _ in range(choose.randint(1, 5))))
        request.MergeFrom(wrap(build("fine"), resource={"k": choose.choice(("fine", "fine", "SPOIL"))}))
        bodies.append(request.SerializeToString().replace(b"SPOIL", choose.randbytes(2) + b"\xff\xc0\xfe"))
    return bodies


KINDS_OF_METRICS = ("gauge", "sum", "summary", "histogram", "exponential_histogram")
TABLES = ("otel_traces", "otel_logs", *(f"otel_metrics_{kind}" for kind in KINDS_OF_METRICS))


def fates(collector: CollectorProcess) -> dict[str, int]:
    """Return what became of all requests so far, and how many rows there are."""
    collector.wait_until_stored()
    assert_balanced(collector.health())
    (rows,) = collector.ask(f"SELECT {' + '.join(f'(SELECT count() FROM otel.{table})' for table in TABLES)} AS n")
    return {"rows": rows["n"]} | collector.health()["counters"]


def rejected(signal: Signal, reply: httpx.Response) -> int:
    """Return how many records an answer says are refused."""
    response = WIRE[signal].response()
    if reply.headers["content-type"] == "application/json":
        json_format.Parse(reply.content, response)
    else:
        response.ParseFromString(reply.content)
    return int(getattr(response.partial_success, WIRE[signal].rejected))


SENDERS = {"application/json": json_mutants, "application/x-protobuf": spoilt}


@pytest.mark.parametrize("media", SENDERS)
@pytest.mark.parametrize("signal", Signal)
def test_every_record_has_a_fate(
    collector: CollectorProcess, choose: random.Random, signal: Signal, media: str
) -> None:
    """Whatever is sent is answered with 200 or 400; of what is acknowledged each record is a row or was refused."""
    bodies = set(SENDERS[media](signal, choose, int(os.environ.get("FUZZ_BODIES", "150"))))
    before = fates(collector)
    address = f"http://{collector.endpoints['http']}{WIRE[signal].path}"
    with httpx.Client(timeout=30, verify=False) as client:  # noqa: S501 - plain HTTP
        replies = [client.post(address, content=body, headers={"content-type": media}) for body in bodies]
    assert {reply.status_code for reply in replies} == {200, 400}
    after = fates(collector)
    gone = {name: after.get(name, 0) - before.get(name, 0) for name in after}
    assert gone["requests_received"] == len(bodies)
    assert gone["requests_refused"] == sum(reply.status_code == 400 for reply in replies)
    assert gone.get("requests_dead", 0) == 0
    assert gone["requests_stored"] == gone["requests_journaled"]
    assert gone["rows"] == gone["items_stored"]
    said = [rejected(signal, reply) for reply in replies if reply.status_code == 200]
    assert gone["items_refused"] == sum(said)
    assert len(said) - said.count(0) > 5, "few are accepted in part: the test would prove little"
