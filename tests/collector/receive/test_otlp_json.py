"""OTLP/JSON says the same as the protobuf it stands for; what does not fit is refused alone, by its path.

The oracle is protobuf's own JSON mapping (google.protobuf.json_format), of which OTLP's differs in the ids only: hex
instead of base64.
"""

from __future__ import annotations

import base64
import json
import math
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_mutants import IDS, bent, with_ids, written
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.errors import Malformed
from collector.receive import otlp_json
from collector.receive.refusals import Refusals

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
TRACE_ID, SPAN_ID = "5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174"

# --- the oracle


def oracle(document: Any, request: type[Message]) -> Message:
    """Read OTLP/JSON with protobuf's own JSON mapping; a ValueError if it does not fit."""

    def to_base64(text: str) -> str:
        return base64.b64encode(bytes.fromhex(text)).decode()

    return json_format.ParseDict(with_ids(document, to_base64), request(), ignore_unknown_fields=True)


def read(document: Any, request: type[Message] = ExportTraceServiceRequest) -> tuple[Any, Refusals]:
    """Read a document, or a body."""
    refusals = Refusals("records")
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return otlp_json.read(body, request, refusals), refusals


def whole(document: Any, request: type[Message] = ExportTraceServiceRequest) -> Any:
    """Read a document of which nothing is refused."""
    message, refusals = read(document, request)
    assert not refusals, refusals.receipt.message
    return message


def with_span(**fields: Any) -> dict[str, Any]:
    """Write a request of one span."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}


def only_span(request: ExportTraceServiceRequest) -> Any:
    """Return its only span."""
    (span,) = request.resource_spans[0].scope_spans[0].spans
    return span


# --- any message, through the oracle and back

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=9),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    # JSON has one NaN; protobuf has as many as there are payloads.
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False)
    | st.sampled_from([math.nan, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53]),
    FieldDescriptor.TYPE_ENUM: st.integers(0, 3) | st.sampled_from([99, -1, 2**31 - 1]),
}
for kinds, low, high in (
    ((FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SFIXED64), -(2**63), 2**63 - 1),
    ((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), 0, 2**64 - 1),
    ((FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32), -(2**31), 2**31 - 1),
    ((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), 0, 2**32 - 1),
):
    numbers = st.integers(low, high) | st.sampled_from([low, high, high - 1])
    SCALARS |= dict.fromkeys(kinds, numbers)


def fill(message: Message, draw: Callable[[Any], Any], depth: int = 0) -> None:
    """Set some of a message's fields, to any depth its kind allows up to seven below a value."""
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        taken = oneof is not None and message.WhichOneof(oneof.name) is not None
        recursive = message.DESCRIPTOR.name in {"AnyValue", "ArrayValue", "KeyValueList"}
        if taken or (recursive and depth > 14) or not draw(st.integers(0, 4 if recursive else 3)):
            continue
        for _ in range(draw(st.integers(0, 2)) if field.is_repeated else 1):
            set_field(message, field, draw, depth)


def set_field(message: Any, field: FieldDescriptor, draw: Callable[[Any], Any], depth: int) -> None:
    """Set a field, or add an element to it."""
    if field.message_type:
        target = getattr(message, field.name)
        inner = target.add() if field.is_repeated else target
        if not field.is_repeated:
            inner.SetInParent()
        fill(inner, draw, depth + 1)
        return
    kind = st.binary(min_size=IDS[field.name], max_size=IDS[field.name]) if field.name in IDS else SCALARS[field.type]
    value = draw(kind)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


SPELLINGS: dict[str, dict[str, Any]] = {
    "as the specification writes it": {},
    "snake_case": {"preserving_proto_field_name": True},
    "enums by name": {"use_integers_for_enums": False},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("signal", REQUESTS)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request(signal: str, spelling: str, data: st.DataObject) -> None:
    """Any request of any signal, written by protobuf's JSON mapping in any spelling, is read as what it was."""
    request = REQUESTS[signal]()
    fill(request, data.draw)
    document = written(request, **SPELLINGS[spelling])
    if document:
        assert whole(document, REQUESTS[signal]).SerializeToString(deterministic=True) == request.SerializeToString(
            deterministic=True
        )


def numbers_for_text(document: Any) -> Any:
    """Write integers as numbers where the specification writes them as text."""
    if isinstance(document, dict):
        return {key: each if key in {*IDS, "stringValue"} else numbers_for_text(each) for key, each in document.items()}
    if isinstance(document, list):
        return list(map(numbers_for_text, document))
    return int(document) if isinstance(document, str) and document.removeprefix("-").isdecimal() else document


FULL: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
            "schemaUrl": "https://example.org/1",
            "scopeSpans": [
                {
                    "scope": {"name": "my.library", "version": "1.0.0"},
                    "spans": [
                        {
                            "traceId": TRACE_ID,
                            "spanId": SPAN_ID,
                            "parentSpanId": SPAN_ID.lower(),
                            "traceState": "a=b",
                            "name": "é",
                            "kind": 2,
                            "flags": 257,
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": "18446744073709551615",
                            "droppedAttributesCount": 4294967295,
                            "attributes": [
                                {"key": "int", "value": {"intValue": "-9223372036854775808"}},
                                {"key": "large", "value": {"intValue": "9223372036854775807"}},
                                {"key": "double", "value": {"doubleValue": 0.1}},
                                {"key": "nan", "value": {"doubleValue": "NaN"}},
                                {"key": "bytes", "value": {"bytesValue": "AP/+"}},
                                {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": False}, {}]}}},
                                {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k"}]}}},
                            ],
                            "events": [{"timeUnixNano": "5", "name": "e"}],
                            "links": [{"traceId": TRACE_ID.lower(), "spanId": SPAN_ID, "flags": 1}],
                            "status": {"code": 2, "message": "why"},
                        }
                    ],
                }
            ],
        }
    ]
}


def test_by_hand() -> None:
    """A request written by hand: ids from hex, integers of 64 bits exact, bytes from base64, NaN from its name."""
    span = only_span(whole(FULL))
    assert (span.trace_id.hex(), span.span_id.hex()) == (TRACE_ID.lower(), SPAN_ID.lower())
    assert span.parent_span_id == span.links[0].span_id == span.span_id
    assert span.links[0].trace_id == span.trace_id
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1544712660000000000, 2**64 - 1)
    values = {each.key: each.value for each in span.attributes}
    assert (values["int"].int_value, values["large"].int_value) == (-(2**63), 2**63 - 1)
    assert math.isnan(values["nan"].double_value)
    assert values["bytes"].bytes_value == b"\0\xff\xfe"
    first, second = values["list"].array_value.values
    assert (first.WhichOneof("value"), second.WhichOneof("value")) == ("bool_value", None)
    assert whole(FULL).SerializeToString() == oracle(FULL, ExportTraceServiceRequest).SerializeToString()


def test_integers_as_numbers() -> None:
    """64-bit integers may be numbers; nothing of them is rounded."""
    assert b'"startTimeUnixNano":1544712660000000000' in orjson.dumps(numbers_for_text(FULL))
    assert whole(numbers_for_text(FULL)).SerializeToString() == whole(FULL).SerializeToString()


def attribute(**value: Any) -> dict[str, Any]:
    """Write the fields of a span with one attribute of this value."""
    return {"attributes": [{"value": value}]}


LENIENT: dict[str, tuple[Any, Any]] = {  # what is sent, what it means
    "integer as text": ({"flags": "7"}, {"flags": 7}),
    "integer as a float": ({"startTimeUnixNano": 1.5e18}, {"startTimeUnixNano": "1500000000000000000"}),
    "integer with zeros before": ({"startTimeUnixNano": "007"}, {"startTimeUnixNano": "7"}),
    "enum by name": ({"kind": "SPAN_KIND_CLIENT"}, {"kind": 3}),
    "enum as text": ({"kind": "3"}, {"kind": 3}),
    "enum not yet named": ({"kind": 99}, {"kind": 99}),
    "status by name": ({"status": {"code": "STATUS_CODE_ERROR"}}, {"status": {"code": 2}}),
    "double as an integer": (attribute(doubleValue=5), attribute(doubleValue=5.0)),
    "double as text": (attribute(doubleValue="1.5e3"), attribute(doubleValue=1500.0)),
    "null is absent": ({"name": None, "attributes": None, "status": None, "kind": None}, {}),
    "unknown fields": ({"name": "n", "notYetNamed": {"a": [1]}, "": 1}, {"name": "n"}),
    "snake_case": ({"trace_id": TRACE_ID, "end_time_unix_nano": 5}, {"traceId": TRACE_ID, "endTimeUnixNano": "5"}),
    "no id": ({"traceId": "", "spanId": "", "parentSpanId": ""}, {}),
    "ids of zeros": ({"traceId": "0" * 32}, {"traceId": "0" * 32}),
    "base64 for URLs, unpadded": (attribute(bytesValue="-_8"), attribute(bytesValue="+/8=")),
    "list without values": (
        attribute(arrayValue=[{"intValue": 1}]),
        attribute(arrayValue={"values": [{"intValue": "1"}]}),
    ),
    "map without values": (
        attribute(kvlistValue=[{"key": "k"}]),
        attribute(kvlistValue={"values": [{"key": "k"}]}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LENIENT)
def test_lenient(case: str) -> None:
    """What some client writes and everybody understands is read."""
    sent, meant = LENIENT[case]
    assert whole(with_span(**sent)) == oracle(with_span(**meant), ExportTraceServiceRequest)


ID, INT64, UINT64 = "32 hex digits", "integer from -9223372036854775808 to", "integer from 0 to 18446744073709551615"
STRICT: dict[str, tuple[Any, str, str]] = {  # what is sent, the path below the span, a part of the reason
    "id too short": ({"traceId": TRACE_ID[:-1]}, "traceId", ID),
    "id shorter by a byte": ({"traceId": TRACE_ID[:-2]}, "traceId", ID),
    "id too long": ({"traceId": TRACE_ID + "00"}, "traceId", ID),
    "id with spaces": ({"traceId": TRACE_ID[:-2] + "  "}, "traceId", ID),
    "id with spaces between": ({"traceId": " ".join(TRACE_ID[i : i + 2] for i in range(0, 32, 2))}, "traceId", ID),
    "id in base64": ({"traceId": base64.b64encode(bytes(16)).decode()}, "traceId", ID),
    "id as a number": ({"traceId": 5}, "traceId", ID),
    "span id as long as a trace's": ({"spanId": TRACE_ID}, "spanId", "16 hex digits"),
    "parent id": ({"parentSpanId": "x" * 16}, "parentSpanId", "16 hex digits"),
    "id of a link": ({"links": [{}, {"traceId": "0"}]}, "links[1].traceId", ID),
    "time below 0": ({"startTimeUnixNano": -1}, "startTimeUnixNano", UINT64),
    "time above 64 bits": ({"startTimeUnixNano": 2**64 - 1, "endTimeUnixNano": str(2**64)}, "endTimeUnixNano", UINT64),
    "time with a fraction": ({"startTimeUnixNano": 1.5}, "startTimeUnixNano", UINT64),
    "time as a date": ({"startTimeUnixNano": "2026-01-01T00:00:00Z"}, "startTimeUnixNano", "2026-01-01"),
    "integer in other digits": ({"startTimeUnixNano": "٣"}, "startTimeUnixNano", UINT64),
    "integer with underscores": ({"startTimeUnixNano": "1_0"}, "startTimeUnixNano", UINT64),
    "integer with a space": ({"startTimeUnixNano": " 1"}, "startTimeUnixNano", UINT64),
    "integer of no text": ({"startTimeUnixNano": ""}, "startTimeUnixNano", UINT64),
    "boolean as integer": ({"flags": True}, "flags", "integer from 0 to 4294967295"),
    "integer above 32 bits": ({"flags": 2**32}, "flags", "integer from 0 to 4294967295"),
    "enum nobody knows": ({"kind": "SERVER"}, "kind", "name of SpanKind"),
    "name as a number": ({"name": 5}, "name", "must be text, not 5"),
    "list as an object": ({"events": {"name": "e"}}, "events", "must be a list, not an object"),
    "object as text": ({"status": "OK"}, "status", 'must be an object, not "OK"'),
    "null in a list": ({"events": [None]}, "events[0]", "must be an object, not null"),
    "two kinds of value": (
        {"attributes": [{"key": "k", "value": {"stringValue": "", "intValue": 1}}]},
        "attributes[0].value.intValue",
        "beside string_value",
    ),
    "bytes that are none": (attribute(bytesValue="*"), "attributes[0].value.bytesValue", "base64"),
    "boolean as text": (attribute(boolValue="true"), "attributes[0].value.boolValue", "true or"),
    "double that is none": (attribute(doubleValue="nan"), "attributes[0].value.doubleValue", "NaN"),
    "integer below 64 bits": (
        attribute(intValue=str(-(2**63) - 1)),
        "attributes[0].value.intValue",
        INT64,
    ),
    "deep inside": (
        {"events": [{"attributes": [{"value": {"arrayValue": {"values": [{}, {"intValue": "x"}]}}}]}]},
        "events[0].attributes[0].value.arrayValue.values[1].intValue",
        INT64,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STRICT)
def test_strict(case: str) -> None:
    """A value that does not fit costs its record, and no other; the reason names the path of the field."""
    sent, path, part = STRICT[case]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a"}, sent, {"name": "b"}]}]}]}
    message, refusals = read(document)
    assert [span.name for span in message.resource_spans[0].scope_spans[0].spans] == ["a", "b"]
    receipt = refusals.receipt
    assert receipt.rejected == 1
    assert f"resourceSpans[0].scopeSpans[0].spans[1].{path}: " in receipt.message
    assert part in receipt.message


def test_integer_literals_past_64_bits() -> None:
    """An integer that a JSON parser would round to a float is refused, not bent."""
    for text in (b"-9223372036854775809", b"18446744073709551616", b"99999999999999999999999"):
        body = orjson.dumps(with_span(attributes=[{"value": {"intValue": 0}}])).replace(b":0}", b":" + text + b"}")
        assert read(body)[1].receipt.rejected == 1


METRICS = {
    "resourceMetrics": [
        {
            "scopeMetrics": [
                {
                    "metrics": [
                        {"name": "a", "sum": {"dataPoints": [{"asInt": "5"}, {"asInt": "x"}], "isMonotonic": True}},
                        {"name": "b", "gauge": {"dataPoints": [{"exemplars": [{"traceId": "0"}]}]}},
                        {"name": 5, "histogram": {"dataPoints": [{}, {}]}},
                        {"name": "d", "sum": {"aggregationTemporality": "x", "dataPoints": [{"asInt": "x"}, {}]}},
                        {"name": "e", "gauge": {"dataPoints": [{}]}, "sum": {"dataPoints": [{}, {}]}},
                        {"name": "f", "exponentialHistogram": {"dataPoints": [{"positive": {"bucketCounts": ["7", 8]}}]}},  # noqa: E501
                        {"name": "g", "summary": {"dataPoints": [{"count": 1}]}},
                    ]
                }
            ]
        }
    ]
}  # fmt: skip


def test_data_points_are_counted_once() -> None:
    """In metrics the record is the data point; a metric that does not fit costs its points, each counted once."""
    message, refusals = read(METRICS, ExportMetricsServiceRequest)
    kept = message.resource_metrics[0].scope_metrics[0].metrics
    assert [(metric.name, metric.WhichOneof("data")) for metric in kept] == [
        ("a", "sum"),
        ("b", "gauge"),
        ("f", "exponential_histogram"),
        ("g", "summary"),
    ]
    assert [point.as_int for point in kept[0].sum.data_points] == [5]
    assert list(kept[2].exponential_histogram.data_points[0].positive.bucket_counts) == [7, 8]
    paths = [path for path, _ in refusals.malformed().violations]
    metrics = "resourceMetrics[0].scopeMetrics[0].metrics"
    assert paths == [
        f"{metrics}[0].sum.dataPoints[1].asInt",
        f"{metrics}[1].gauge.dataPoints[0].exemplars[0].traceId",
        f"{metrics}[2].name",
        f"{metrics}[3].sum.aggregationTemporality",
    ]
    assert refusals.receipt.rejected == 1 + 1 + 2 + 2 + 3


def test_a_bad_resource_costs_its_records() -> None:
    """A resource that does not fit is refused with the records below it, each counted once; the others are kept."""
    broken = {"resource": {"attributes": 5}, "scopeSpans": [{"spans": [{}, {"traceId": "x"}]}, {"spans": [{}]}]}
    backwards = dict(reversed(broken.items()))  # its spans first
    good = with_span(name="good")["resourceSpans"]
    for each in (broken, backwards):
        message, refusals = read({"resourceSpans": [each, *good]})
        assert only_span(message).name == "good"
        assert refusals.receipt.rejected == 3
        assert refusals.malformed().violations == [("resourceSpans[0].resource.attributes", "must be a list, not 5")]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "Export"),
        (b"null", "must be an object"),
        (b"[]", "must be an object"),
        (b'"x"', "must be an object"),
        (b"{", "Export"),
        (b'{"resourceSpans":[]} x', "Export"),
        (b'{"resourceSpans":[NaN]}', "Export"),
        (b"[" * 100_000, "depth"),
        (b'{"resourceSpans":' + b"[" * 3000 + b"]" * 3000 + b"}", "depth"),
        (b'{"resourceLogs":[{}]}', "none of its fields (resourceSpans)"),
        (b'{"spans":[]}', "none of its fields (resourceSpans)"),
        (b'{"resourceSpans":{}}', "resourceSpans: must be a list, not an object"),
        (b'{"resourceSpans":[5]}', "resourceSpans[0]: must be an object, not 5"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":5}]}]}', "resourceSpans[0].scopeSpans[0].spans: must be a list"),
        (b'{"resourceSpans":[{"resource":5}]}', "resourceSpans[0].resource: must be an object"),
    ],
)
def test_malformed(body: bytes, part: str) -> None:
    """What is no request down to its records is refused as a whole, with what is wrong."""
    with pytest.raises(Malformed) as refused:
        read(body)
    assert part in str(refused.value)


@pytest.mark.parametrize(
    "body", [b"{}", b' { "resourceSpans": [] } ', b'{"resourceSpans":null}', b'{"resourceSpans":[{}]}']
)
def test_empty(body: bytes) -> None:
    """An empty request, or one of empty envelopes, is fine."""
    assert not whole(body).resource_spans or whole(body).resource_spans[0].ByteSize() == 0


@pytest.mark.parametrize("text", [b'"\\ud83d"', b'"\\udc00x"', b'"\xff"', b'"a\xc3"', b'"\xed\xa0\x80"'], ids=repr)
@pytest.mark.parametrize("place", ["name", "attribute", "unknown"])
def test_text_that_is_no_unicode(text: bytes, place: str) -> None:
    """Half a surrogate pair, which JavaScript writes where it cuts a text, or bad UTF-8 costs its own record only."""
    span = {"name": b'{"name":%s}', "attribute": b'{"attributes":[{"key":%s}]}', "unknown": b'{"x":%s}'}[place] % text
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"good"},%s]}]}]}' % span
    message, refusals = read(body)
    spans = message.resource_spans[0].scope_spans[0].spans
    assert spans[0].name == "good"
    if place == "unknown":
        assert len(spans) == 2
    else:
        assert len(spans) == 1
        assert "is not valid Unicode" in refusals.receipt.message


def test_whole_surrogate_pairs_are_text() -> None:
    """Escaped pairs are one character, also beside a record with half a pair."""
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\\ud83d\\ude00"},{"name":"\\ud83d"}]}]}]}'
    assert only_span(read(body)[0]).name == "😀"


def nested(kind: str, levels: int) -> tuple[bytes, bytes]:
    """Return a request with a value nested so many levels, as JSON and as protobuf."""

    def block(number: int, *parts: bytes) -> bytes:
        content, length, head = b"".join(parts), b"", len(b"".join(parts))
        while head > 0x7F:
            length += bytes([head & 0x7F | 0x80])
            head >>= 7
        return bytes([number << 3 | 2]) + length + bytes([head]) + content

    text, raw = b'{"stringValue":"core"}', block(1, b"core")
    for _ in range(levels):
        if kind == "list":
            text, raw = b'{"arrayValue":{"values":[%s]}}' % text, block(5, block(1, raw))
        else:
            text = b'{"kvlistValue":{"values":[{"key":"k","value":%s}]}}' % text
            raw = block(6, block(1, block(1, b"k"), block(2, raw)))
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":%s}]}]}]}]}' % text
    return body, block(1, block(2, block(2, block(9, block(2, raw)))))


@pytest.mark.parametrize("kind", ["list", "map"])
def test_depth(kind: str) -> None:
    """A value may be nested as deep as in protobuf; a level more costs its record; nothing runs out of its stack."""
    verdicts = set()
    for levels in [*range(25, 55), 150, 200]:
        body, raw = nested(kind, levels)
        message, refusals = read(body)
        try:
            expected = ExportTraceServiceRequest.FromString(raw)
        except DecodeError:
            assert "nested deeper" in refusals.receipt.message
            verdicts.add("refused")
        else:
            assert message == expected, levels
            verdicts.add("read")
    assert verdicts == {"read", "refused"}


# --- documents by chance: bent where they stand


@pytest.mark.parametrize("signal", ["traces", "metrics"])
def test_bent_documents(signal: str) -> None:
    """Bent at random: what protobuf's JSON mapping reads is read as the same, and nothing but a refusal is raised."""
    seed = int(os.environ.get("FUZZ_SEED", secrets.randbelow(10**6)))
    print(f"FUZZ_SEED={seed}")
    choose, request = random.Random(seed), REQUESTS[signal]
    seedling = FULL if signal == "traces" else METRICS
    fates = Counter[str]()
    for _ in range(int(os.environ.get("FUZZ_BODIES", "400"))):
        fates[fate(bent(seedling, choose), request)] += 1
    assert set(fates) <= {"same", "refused", "in part", "lenient"}
    assert fates["in part"] > 20, fates
    assert fates["refused"] > 5, fates
    assert fates["same"] > (50 if signal == "traces" else 5), fates


def deserved(expected: Message | None, reason: str) -> bool:
    """Tell whether something had to be refused: the oracle does not read it, or not as OTLP, or skips what is wrong.

    It skips text in an object's place, names of an enum that nobody knows, and what is no base64 in bytes; and it takes
    true and false for numbers.
    """
    skipped = (
        "must be an object, not ",
        "must be a number or a name of ",
        "must be base64",
        ", not true",
        ", not false",
    )
    return expected is None or not expected.ListFields() or wrong_ids(expected) or any(s in reason for s in skipped)


def fate(document: Any, request: type[Message]) -> str:
    """Read a document, compare with the oracle, and say what became of it; the document itself if that is wrong."""
    try:
        expected = oracle(document, request)
    except (ValueError, TypeError, AttributeError, OverflowError, json_format.ParseError):
        expected = None
    try:
        message, refusals = read(document, request)
    except Malformed as error:
        return "refused" if deserved(expected, str(error)) else json.dumps(document)
    if refusals:
        request.FromString(message.SerializeToString())
        assert refusals.receipt.rejected > 0
        return "in part" if deserved(expected, refusals.receipt.message) else json.dumps(document)
    if expected is None:
        return "lenient"
    same = message.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    return "same" if same else json.dumps(document)


def wrong_ids(message: Any) -> bool:
    """Tell whether an id in a message has a length no id has."""
    for field, content in message.ListFields():
        if field.name in IDS and len(content) != IDS[field.name]:
            return True
        inner: list[Any] = list(content) if field.is_repeated else [content]
        if isinstance(field.message_type, Descriptor) and any(map(wrong_ids, inner)):
            return True
    return False
