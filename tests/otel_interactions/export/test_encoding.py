"""Spans as OTLP bytes: what OpenTelemetry's own encoder writes, and text where that one gives up."""

from __future__ import annotations

import enum
import math
import sys
from collections import UserList
from collections.abc import Iterable, Mapping
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from otel_interactions.export import encoding
from otel_interactions.export.encoding import MAX_DEPTH, encode_origin, encode_request, encode_span, varint

STATE = TraceState([("vendor", "1"), ("tenant@other", "a b")])
RESOURCES = [
    Resource({}),
    Resource({"service.name": "a", "numbers": [1, 2]}),
    Resource({"service.name": "b"}, "https://schema/1"),
]
SCOPES = [
    None,
    InstrumentationScope("x", "1"),
    InstrumentationScope("y", None, "https://schema/2", {"k": "v", "n": 3}),
]

texts = st.text(st.characters(codec="utf-8"), max_size=200)
long_texts = texts.map(lambda text: ((text or "ü") * 20_000)[:20_000])  # longer than two bytes of a varint can say
int64s = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), -1, 0, 127, 128, 2**63 - 1])
scalars = st.one_of(texts, st.booleans(), int64s, st.floats(allow_nan=False), st.binary(max_size=50), st.none())
values = st.recursive(
    scalars,
    lambda inside: st.one_of(
        st.lists(inside, max_size=4), st.dictionaries(texts, inside, max_size=3), st.tuples(inside, inside)
    ),
    max_leaves=8,
)
attributes = st.dictionaries(texts, values, max_size=6)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
    st.sampled_from([None, STATE]),
)
times = st.integers(0, 2**64 - 1)
links = st.builds(
    lambda at, carried: Link(SpanContext(at.trace_id, at.span_id, at.is_remote), carried), contexts, attributes
)
statuses = st.sampled_from([Status(), Status(StatusCode.OK)]) | st.builds(Status, st.just(StatusCode.ERROR), texts)
spans = st.builds(
    ReadableSpan,
    name=texts | texts | long_texts,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.sampled_from(RESOURCES),
    attributes=attributes,
    events=st.lists(st.builds(Event, texts, st.none() | attributes, times), max_size=3),
    links=st.lists(links, max_size=3),
    kind=st.sampled_from(SpanKind),
    status=statuses,
    start_time=times,
    end_time=times,
    instrumentation_scope=st.sampled_from(SCOPES),
)


def span_of(name: str = "a", carried: Mapping[Any, Any] | None = None, **more: Any) -> ReadableSpan:
    """Return an ended span."""
    made = {"context": SpanContext(1, 2, is_remote=False), "resource": RESOURCES[0], "start_time": 1, "end_time": 2}
    return ReadableSpan(name=name, attributes=carried or {}, **{**made, **more})


def request(spans: Iterable[ReadableSpan]) -> bytes:
    """Return a request as the exporter puts it together."""
    return encode_request((encode_origin(s.resource, s.instrumentation_scope), encode_span(s)) for s in spans)


def parsed(span: ReadableSpan) -> Message:
    """Return a span as a collector reads it."""
    message = ExportTraceServiceRequest.FromString(request([span]))
    return message.resource_spans[0].scope_spans[0].spans[0]


def value_of(value: object) -> AnyValue:
    """Return an attribute's value as a collector reads it."""
    (pair,) = parsed(span_of(carried={"key": value})).attributes
    assert pair.key == "key"
    return pair.value


@settings(max_examples=150, deadline=None)
@given(st.lists(spans, max_size=4))
def test_the_same_message_as_opentelemetrys_encoder(spans: list[ReadableSpan]) -> None:
    """Any spans parse to the very message that OpenTelemetry's own encoder writes of them."""
    assert ExportTraceServiceRequest.FromString(request(spans)) == encode_spans(spans)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=110, max_size=140), texts | long_texts)
def test_lengths_around_one_byte(key: str, value: str) -> None:
    """Where a length begins to need a second byte, it is written with two, in attributes and in their values."""
    span = span_of(carried={key: value, value: key, "k": key})
    assert ExportTraceServiceRequest.FromString(request([span])) == encode_spans([span])


@pytest.mark.parametrize("size", range(100, 140))
def test_every_length_around_one_byte(size: int) -> None:
    """No length of a key and a value around 128 bytes is off by one."""
    span = span_of("n" * size, {"k" * half: "v" * (size - half) for half in range(0, size, 7)} | {"v": "v" * size})
    assert ExportTraceServiceRequest.FromString(request([span])) == encode_spans([span])


@pytest.mark.parametrize("number", range((1 << 14) - 8, (1 << 14) + 4))
def test_every_length_around_two_bytes(number: int) -> None:
    """No number and no length of a text around 16384 is off by one."""
    span = span_of("n" * number, {"i": number, "negative": -number, "k" * number: 1, "v": "v" * number})
    assert ExportTraceServiceRequest.FromString(request([span])) == encode_spans([span])


def test_a_span_of_the_sdk_with_all_it_dropped() -> None:
    """What a real tracer has dropped for its limits is told, of the span, of its events and of its links."""
    limits = SpanLimits(max_span_attributes=1, max_events=1, max_links=1, max_event_attributes=1, max_link_attributes=1)
    tracer = TracerProvider(resource=RESOURCES[2], span_limits=limits).get_tracer("t", "2", "https://schema/3")
    with tracer.start_as_current_span("outer"):
        several = [Link(SpanContext(number, number, is_remote=True), {"a": 1, "b": 2}) for number in (1, 2, 3)]
        span = tracer.start_span("inner", kind=SpanKind.SERVER, attributes={"a": 1, "b": [1]}, links=several)
        for name in "abc":
            span.add_event(name, {"a": 1, "b": 2})
        span.set_status(StatusCode.ERROR, "why")
        span.end()
    message = parsed(span)
    dropped = message.dropped_attributes_count, message.dropped_events_count, message.dropped_links_count
    assert dropped == (1, 2, 2)
    assert ExportTraceServiceRequest.FromString(request([span])) == encode_spans([span])


def test_a_request_of_no_spans_is_empty() -> None:
    """Nothing is a message too."""
    assert ExportTraceServiceRequest.FromString(encode_request([])) == ExportTraceServiceRequest()


def test_a_span_without_ids_is_refused() -> None:
    """No collector can take a span that has no ids."""
    with pytest.raises(ValueError, match="without ids"):
        encode_span(span_of(context=None))


def test_the_trace_state_of_a_link() -> None:
    """It is there, though OpenTelemetry's own encoder leaves it out; all else of the link is the same."""
    span = span_of(links=[Link(SpanContext(3, 4, is_remote=True, trace_state=STATE), {"a": 1})])
    message = ExportTraceServiceRequest.FromString(request([span]))
    link = message.resource_spans[0].scope_spans[0].spans[0].links[0]
    assert link.trace_state == "vendor=1,tenant@other=a b"
    link.trace_state = ""
    assert message == encode_spans([span])


@given(st.integers(0, 2**64 - 1) | st.integers(0, 1 << 15))
def test_varint(number: int) -> None:
    """Seven bits a byte, the lowest first, all but the last with the eighth bit; as short as can be."""
    written = varint(number)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(written)) == number
    assert [byte >> 7 for byte in written] == [1] * (len(written) - 1) + [0]
    assert len(written) == max(1, math.ceil(number.bit_length() / 7))


@settings(max_examples=50, deadline=None)
@given(st.lists(spans, min_size=1, max_size=4))
def test_the_same_spans_give_the_same_bytes(spans: list[ReadableSpan]) -> None:
    """A batch that is sent again is recognised by its bytes."""
    assert request(spans) == request(spans)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_spans_of_one_origin_are_together_and_in_order(origins: list[tuple[int, int]]) -> None:
    """Each resource and each of its scopes comes once, its spans in the order they were given in."""
    given = [
        span_of(str(number), resource=RESOURCES[resource], instrumentation_scope=SCOPES[scope])
        for number, (resource, scope) in enumerate(origins)
    ]
    message = ExportTraceServiceRequest.FromString(request(given))
    found = [
        [int(span.name) for span in of_scope.spans]
        for of_resource in message.resource_spans
        for of_scope in of_resource.scope_spans
    ]
    expected: dict[int, dict[int, list[int]]] = {}
    for number, (resource, scope) in enumerate(origins):
        expected.setdefault(resource, {}).setdefault(scope, []).append(number)
    assert found == [numbers for scopes in expected.values() for numbers in scopes.values()]


# ---- what OpenTelemetry's encoder gives up


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**30, -(10**30)])
def test_integers_beyond_64_bits_are_text(number: int) -> None:
    """A larger integer is its digits; inside a list too."""
    assert value_of(number).string_value == str(number)
    assert [each.string_value for each in value_of([number]).array_value.values] == [str(number)]


def test_an_integer_with_more_digits_than_python_prints() -> None:
    """It is text of bounded length."""
    assert value_of(1 << 100_000).string_value.startswith('"0x1000')


@pytest.mark.parametrize("number", [math.inf, -math.inf, -0.0, 5e-324, sys.float_info.max])
def test_unusual_floats_survive(number: float) -> None:
    """A float arrives as it is, its sign included."""
    found = value_of(number).double_value
    assert (found, math.copysign(1, found)) == (number, math.copysign(1, number))


def test_not_a_number_survives() -> None:
    """NaN stays NaN, inside a list too."""
    assert math.isnan(value_of(math.nan).double_value)
    assert math.isnan(value_of([math.nan]).array_value.values[0].double_value)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=20))
def test_lone_surrogates(text: str) -> None:
    """Whatever text comes, wherever it stands, what is written parses, and valid text is untouched."""
    said = f"{text}\ud800"
    span = span_of(
        said,
        {said: said, "in a list": [said], "in a mapping": {said: said}},
        events=[Event(said, {said: said}, 1)],
        links=[Link(SpanContext(1, 2, is_remote=False), {said: said})],
        status=Status(StatusCode.ERROR, said),
        resource=Resource({said: said}, said),
        instrumentation_scope=InstrumentationScope(said, said, said, {said: said}),
    )
    (of_resource,) = ExportTraceServiceRequest.FromString(request([span])).resource_spans
    (of_scope,) = of_resource.scope_spans
    (message,) = of_scope.spans
    found = {
        message.name,
        message.attributes[0].key,
        message.attributes[0].value.string_value,
        message.attributes[1].value.array_value.values[0].string_value,
        message.attributes[2].value.kvlist_value.values[0].key,
        message.attributes[2].value.kvlist_value.values[0].value.string_value,
        message.events[0].name,
        message.events[0].attributes[0].key,
        message.links[0].attributes[0].value.string_value,
        message.status.message,
        of_resource.resource.attributes[0].key,
        of_resource.schema_url,
        of_scope.scope.name,
        of_scope.scope.version,
        of_scope.schema_url,
    }
    assert len(found) == 1
    (seen,) = found
    assert seen.endswith("\ufffd")
    if text.isascii():
        assert seen == f"{text}\ufffd"


class LyingText(str):
    """Text that does not say what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


class LyingInteger(int):
    """A number that does not say what it is."""

    def __int__(self) -> int:
        raise RuntimeError("no")

    __index__ = __int__

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class LyingFloat(float):
    """A number that does not say what it is."""

    __slots__ = ()

    def __float__(self) -> float:
        return 1.0


class Colour(str, enum.Enum):  # noqa: UP042  StrEnum prints as what it is
    """Text that prints as something else."""

    RED = "red"


def test_subclasses_that_lie() -> None:
    """What a str, an int or a float is, not what its methods say."""
    assert value_of(LyingText("true")).string_value == "true"
    assert value_of(LyingInteger(7)).int_value == 7
    assert value_of(LyingFloat(7.5)).double_value == 7.5
    assert value_of(Colour.RED).string_value == "red"
    assert value_of([LyingText("x"), LyingInteger(-1)]) == value_of(["x", -1])
    assert parsed(span_of(LyingText("name"), {LyingText("k"): 1})).attributes[0].key == "k"


def test_a_large_integer_that_lies_is_text() -> None:
    """One beyond 64 bits is text, whatever its methods say."""
    assert value_of(LyingInteger(2**70)).string_value == str(2**70)


class Broken:
    """An object nothing can be done with."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class BrokenList(UserList[int]):
    """A sequence that cannot be gone through."""

    def __iter__(self) -> Any:
        raise RuntimeError("no")


class BrokenMapping(dict[str, int]):
    """A mapping that does not show what is in it."""

    def items(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Broken(),
        BrokenList([1]),
        BrokenMapping(a=1),
        {Broken(): 1},
        [Broken()],
        {"a": {"b": Broken()}},
        Mock(),
        Mock(spec=str),
        Mock(spec=int),
        Mock(spec=float),
        Mock(spec=bytes),
        Mock(spec=list),
        Mock(spec=dict),
        {1, 2},
        (each for each in "ab"),
        type,
        len,
        1 + 2j,
    ],
    ids=lambda value: type(value).__name__,
)
def test_foreign_objects(value: object) -> None:
    """Whatever else is carried becomes something that parses, and the other attributes are as they are."""
    message = parsed(span_of(carried={"before": 1, "it": value, "behind": "x"}))
    assert [pair.key for pair in message.attributes] == ["before", "it", "behind"]
    assert message.attributes[1].value.WhichOneof("value")
    assert message.attributes[2].value.string_value == "x"


def test_foreign_objects_are_text() -> None:
    """An object is its text, as everywhere in this library."""
    assert value_of(1 + 2j).string_value == "(1+2j)"
    assert value_of(Broken()).string_value == "<Broken, repr() failed>"
    assert value_of(Mock()).string_value.startswith("<Mock id=")


def depth_of(value: AnyValue) -> int:
    """Return how many containers are around the innermost value."""
    inside = [*value.array_value.values, *(pair.value for pair in value.kvlist_value.values)]
    return 1 + max(map(depth_of, inside), default=0) if value.WhichOneof("value") != "string_value" else 0


@pytest.mark.parametrize("levels", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 100, 5_000, 100_000])
@pytest.mark.parametrize("wrap", [lambda inside: [inside], lambda inside: {"k": inside}], ids=["list", "mapping"])
def test_nesting_is_bounded(levels: int, wrap: Any) -> None:
    """However deep values are nested, as deep as MAX_DEPTH they are what they are, and below that they are text."""
    value: Any = "x"
    for _ in range(levels):
        value = wrap(value)
    assert depth_of(value_of(value)) == min(levels, MAX_DEPTH)


def test_cycles_are_bounded() -> None:
    """A list or a mapping that holds itself is cut somewhere."""
    ring: list[Any] = []
    ring.append(ring)
    loop: dict[str, Any] = {}
    loop["again"] = [loop, 1]
    for value in (ring, loop):
        assert depth_of(value_of(value)) <= MAX_DEPTH


def test_a_cycle_of_several_ways_is_bounded() -> None:
    """A list that holds itself more than once does not grow with each level."""
    ring: list[Any] = []
    ring += [ring] * 8
    assert value_of(ring).ByteSize() < 10_000


# ---- what comes often is kept in its encoded form


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[Any, bytes]]:
    """What is kept of keys, of names and of pairs, empty at first."""
    keys, names = encoding._Fields(b"\x0a", b"\x12"), encoding._Fields(b"\x2a")
    made: dict[str, dict[Any, bytes]] = {"_keys": keys, "_names": names, "_texts": {}}
    for name, empty in made.items():
        monkeypatch.setattr(encoding, name, empty)
    return list(made.values())


def test_more_than_is_kept(kept: list[dict[Any, bytes]]) -> None:
    """Keys, names and values beyond those that are kept are right, and no more are kept than may be."""
    texts = [f"text {number}" for number in range(encoding._KEYS + 100)]
    for value in ("x", "y"):
        found = parsed(span_of(carried=dict.fromkeys(texts, value))).attributes
        assert [(pair.key, pair.value.string_value) for pair in found] == [(text, value) for text in texts]
    for name in texts * 2:
        assert parsed(span_of(name)).name == name
    assert [len(each) for each in kept[:2]] == [encoding._KEYS] * 2
    assert 0 < len(kept[2]) <= encoding._PAIRS


def test_what_is_kept_is_small(kept: list[dict[Any, bytes]]) -> None:
    """Long texts are not kept: an application that makes them up would fill the memory with them."""
    texts = [f"{number} {'x' * 100_000}" for number in range(20)]
    for text in texts:
        span = parsed(span_of(text, {text: text, "short": text, f"{text}1": 1}))
        assert [pair.key for pair in span.attributes] == [text, "short", f"{text}1"]
        assert span.name == text
    assert sum(len(encoded) for each in kept for encoded in each.values()) < 1_000
    assert not any(len(str(key)) > 1_000 for each in kept for key in each)


def test_trace_context_of_the_api() -> None:
    """A context as propagators give it is written as it is."""
    parent = trace.SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1), trace_state=STATE)
    message = parsed(span_of(parent=parent, context=SpanContext(5, 7, is_remote=False, trace_state=STATE)))
    assert (message.parent_span_id, message.flags) == (bytes(7) + b"\x06", 0x300)
    assert message.trace_state == "vendor=1,tenant@other=a b"
