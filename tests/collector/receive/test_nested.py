"""Whatever an attribute or a body holds is found again as text, through the real engine, however deep it was."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_builders import (
    POINTS,
    any_value,
    attributes,
    exemplar,
    log_record,
    logs,
    metric,
    metrics,
    point,
    span,
    traces,
)

from collector.receive import nested
from collector.request import Signal

PLACES = {
    Signal.TRACES: ("resource", "scope", "span", "event", "link"),
    Signal.LOGS: ("log attribute", "log body", "log resource", "log scope"),
    Signal.METRICS: ("metric resource", "metric scope", "metric metadata", "metric exemplar", *POINTS),
}


def put(
    place: str, value: object
) -> ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest:
    """Make a request with the value in one place, and nothing else nested."""
    held = {"held": value}
    if place in PLACES[Signal.METRICS]:
        return put_in_metrics(place, held)
    if place == "log body":
        return logs(log_record(value))
    if place == "log attribute":
        return logs(log_record("b", held))
    if place.startswith("log"):
        request = logs(log_record("b"))
        target = request.resource_logs[0]
        (target.resource if place == "log resource" else target.scope_logs[0].scope).attributes.extend(attributes(held))
        return request
    one = span("s")
    request = traces(one)
    target = request.resource_spans[0]
    stored = target.scope_spans[0].spans[0]
    {
        "resource": lambda: target.resource.attributes,
        "scope": lambda: target.scope_spans[0].scope.attributes,
        "span": lambda: stored.attributes,
        "event": lambda: stored.events.add(name="e").attributes,
        "link": lambda: stored.links.add(trace_id=bytes([1] * 16)).attributes,
    }[place]().extend(attributes(held))
    return request


def put_in_metrics(place: str, held: dict[str, object]) -> ExportMetricsServiceRequest:
    """Make a metrics request with the attribute in one place."""
    if place in POINTS:
        return metrics(metric(place, point(place, held)))
    if place == "metric exemplar":
        return metrics(metric("gauge", point("gauge", exemplars=[exemplar(held)])))
    request = metrics(metric("gauge", point("gauge")))
    target = request.resource_metrics[0]
    {
        "metric resource": lambda: target.resource.attributes,
        "metric scope": lambda: target.scope_metrics[0].scope.attributes,
        "metric metadata": lambda: target.scope_metrics[0].metrics[0].metadata,
    }[place]().extend(attributes(held))
    return request


def nestings(depth: int) -> Iterator[object]:
    """Yield arrays and maps nested `depth` levels, in every order up to three levels, around a value or around none."""
    if depth == 0:
        yield from ("core", None, 7)
        return
    for inner in nestings(depth - 1) if depth <= 3 else [next(nestings(depth - 1))]:
        yield [inner]
        yield {"k": inner}
    if depth == 1:
        yield from ([], {}, [1, "a", None], {"b": 1, "a": None})


def all_nestings() -> list[object]:
    """Return values nested zero to six levels."""
    return [value for depth in range(7) for value in nestings(depth)]


@pytest.mark.parametrize("signal", Signal)
def test_nothing_vanishes(journey: Any, reference: Any, signal: Signal) -> None:
    """In each place attributes can be, each nesting of arrays and maps, empty ones included, is found again as text."""
    values = all_nestings()
    assert len(values) > 50
    requests = {f"{place} {n}": put(place, value) for place in PLACES[signal] for n, value in enumerate(values)}
    outcomes = journey.travel({label: each.SerializeToString() for label, each in requests.items()}, signal)
    expected = {
        Signal.TRACES: reference.spans,
        Signal.LOGS: reference.records,
        Signal.METRICS: reference.points,
    }[signal]
    wrong = {
        label: (outcomes[label], expected(request))
        for label, request in requests.items()
        if outcomes[label].rows != expected(request)
    }
    assert not wrong, f"{len(wrong)} of {len(requests)}, first: {next(iter(wrong.items()))}"


INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, 0, -1])
DOUBLES = st.floats() | st.sampled_from(
    [-0.0, 0.0, 1e21, 1e20, 1e-6, 1e-7, 5e-324, -5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 2.0**53]
)
TEXTS = st.text() | st.text(
    st.sampled_from("\0\x01\x1f\x7f\b\f\n\r\t\"'\\/<>&{}[],: \u2028\u2029\ufeff\uffffé😀"), max_size=12
)
SCALARS = st.none() | st.booleans() | INTEGERS | DOUBLES | TEXTS | st.binary(max_size=20)
VALUES = SCALARS | st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
BAGS = st.lists(st.dictionaries(TEXTS, VALUES, min_size=4, max_size=12), min_size=8, max_size=16)
FEW = settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # every try is an insert: no time to shrink
)


@given(BAGS)
@FEW
def test_any_span_attribute(journey: Any, reference: Any, bags: list[dict[str, Any]]) -> None:
    """Any keys and values: the stored text and the stored type tag say what was sent."""
    requests = {str(number): traces(span("s", bag)) for number, bag in enumerate(bags)}
    outcomes = journey.travel({label: each.SerializeToString() for label, each in requests.items()})
    for label, request in requests.items():
        assert outcomes[label].rows == reference.spans(request)


@given(BAGS)
@FEW
def test_any_log(journey: Any, reference: Any, bags: list[dict[str, Any]]) -> None:
    """Any attributes and any body of a log record: text and type tags say what was sent."""
    requests = {
        str(number): logs(*(log_record(value, bag) for value in bag.values())) for number, bag in enumerate(bags)
    }
    outcomes = journey.travel({label: each.SerializeToString() for label, each in requests.items()}, Signal.LOGS)
    for label, request in requests.items():
        assert sorted(outcomes[label].rows, key=repr) == sorted(reference.records(request), key=repr)


@given(VALUES)
def test_json(reference: Any, value: object) -> None:
    """The rewriting of deep values renders any value as the exporter does."""
    rendered = nested.to_json(any_value([[value]]))
    assert reference.normal(rendered) == reference.normal(reference.text(any_value([[value]])))


@given(st.integers(0, 2**64 - 1))
@settings(max_examples=500)
def test_any_double(reference: Any, bits: int) -> None:
    """Any 64 bits as a double are rendered as ECMAScript does."""
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    assert nested.to_json(any_value([[number]])) == reference.text(any_value([[number]]))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (-0.0, "-0"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (math.nan, '"NaN"'),
        (-math.inf, '"-Infinity"'),
    ],
)
def test_doubles(reference: Any, number: float, text: str) -> None:
    """Doubles written by hand, so that the reference is checked too."""
    assert nested.to_json(any_value(number)) == text
    assert reference.text(any_value([number])) == f"[{text}]"


def test_a_key_sent_twice_inside_a_map(journey: Any) -> None:
    """A key sent twice inside a map stays twice, in order, in flat and deep maps alike: nothing sent is dropped."""
    flat = traces(span("s", {"flat": {"k": 1}, "other": 1}))
    entries = flat.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.kvlist_value.values
    entries.extend(attributes({"k": 2}))
    deep = ExportTraceServiceRequest.FromString(flat.SerializeToString())
    deep.resource_spans[0].scope_spans[0].spans[0].attributes[1].value.CopyFrom(any_value([[1]]))
    outcomes = journey.travel({"flat": flat.SerializeToString(), "deep": deep.SerializeToString()})
    assert outcomes["flat"].rows[0][8] == [("flat", '{"k":1,"k":2}'), ("other", "1")]
    assert outcomes["deep"].rows[0][8] == [("flat", '{"k":1,"k":2}'), ("other", "[[1]]")]


def test_a_key_sent_twice_stays_twice(journey: Any, reference: Any) -> None:
    """An attribute sent twice stays twice, in order: nothing of what was sent is dropped."""
    request = traces(span("s", {"k": "first"}))
    request.resource_spans[0].scope_spans[0].spans[0].attributes.extend(attributes({"k": "second"}))
    rows = journey.travel({"twice": request.SerializeToString()})["twice"].rows
    assert rows == reference.spans(request)
    assert rows[0][8] == [("k", "first"), ("k", "second")]
