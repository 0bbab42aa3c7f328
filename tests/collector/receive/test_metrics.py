"""What OTLP says of a data point is what its row says, each field of it, whatever the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_builders import POINTS, attributes, exemplar, log_record, logs, metric, metrics, point, span, traces

from collector.receive.validate import VALIDATORS
from collector.request import Signal

METRICS = VALIDATORS[Signal.METRICS]

INTS = st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, -(2**53) - 1, 0, -1]) | st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.sampled_from([0.0, -0.0, float("inf"), float("nan"), 5e-324, 1.7976931348623157e308]) | st.floats()
UNSIGNED = st.sampled_from([0, 1, 2**53 + 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
SIGNED_32 = st.sampled_from([0, -1, 2**31 - 1, -(2**31)]) | st.integers(-20, 20)
UNSIGNED_32 = st.sampled_from([0, 1, 2**32 - 1])
TIMES = st.sampled_from([0, 1, 1_790_000_000_123_456_789, 2**63 - 1, 2**63, 2**64 - 1])
WORDS = st.sampled_from(["", "ms", "é", "a\0b", "{call}", "x" * 300]) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | INTS | DOUBLES | WORDS | st.binary(max_size=5)
BAGS = st.dictionaries(
    WORDS,
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(WORDS, SCALARS | st.just([[1]]), max_size=2),
    max_size=3,
)


def maybe(field: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Set a field or leave it out."""
    return st.just({}) | values.map(lambda value: {field: value})


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Put fields together."""
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


NUMBERS = maybe("as_int", INTS) | maybe("as_double", DOUBLES)
EXEMPLARS = st.lists(
    merged(
        NUMBERS,
        st.fixed_dictionaries({"time_unix_nano": TIMES}),
        maybe("span_id", st.binary(min_size=8, max_size=8)),
        maybe("trace_id", st.just(bytes(16)) | st.binary(min_size=16, max_size=16)),
        st.fixed_dictionaries({"values": BAGS}),
    ).map(lambda fields: exemplar(**fields)),
    max_size=2,
)
COMMON = st.fixed_dictionaries(
    {
        "values": BAGS,
        "start_time_unix_nano": TIMES,
        "time_unix_nano": TIMES,
        "flags": UNSIGNED_32,
    }
)
SAMPLED = st.fixed_dictionaries({"exemplars": EXEMPLARS})
OPTIONAL = merged(maybe("sum", DOUBLES), maybe("min", DOUBLES), maybe("max", DOUBLES))
COUNT = st.fixed_dictionaries({"count": UNSIGNED})
BUCKETS = st.fixed_dictionaries({"offset": SIGNED_32, "bucket_counts": st.lists(UNSIGNED, max_size=4)})
FIELDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "gauge": merged(COMMON, SAMPLED, NUMBERS),
    "sum": merged(COMMON, SAMPLED, NUMBERS),
    "histogram": merged(
        COMMON,
        SAMPLED,
        OPTIONAL,
        COUNT,
        st.fixed_dictionaries(
            {
                "bucket_counts": st.lists(UNSIGNED, max_size=4),
                "explicit_bounds": st.lists(DOUBLES, max_size=4),
            }
        ),
    ),
    "exponential_histogram": merged(
        COMMON,
        SAMPLED,
        OPTIONAL,
        COUNT,
        st.fixed_dictionaries({"scale": SIGNED_32, "zero_count": UNSIGNED, "zero_threshold": DOUBLES}),
        maybe("positive", BUCKETS),
        maybe("negative", BUCKETS),
    ),
    "summary": merged(
        COMMON,
        COUNT,
        st.fixed_dictionaries(
            {
                "sum": DOUBLES,
                "quantile_values": st.lists(st.fixed_dictionaries({"quantile": DOUBLES, "value": DOUBLES}), max_size=3),
            }
        ),
    ),
}
TEMPORALITY = st.fixed_dictionaries({"aggregation_temporality": st.sampled_from([0, 1, 2])})
OF_KIND: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "gauge": st.just({}),
    "sum": merged(TEMPORALITY, st.fixed_dictionaries({"is_monotonic": st.booleans()})),
    "histogram": TEMPORALITY,
    "exponential_histogram": TEMPORALITY,
    "summary": st.just({}),
}
TOLD = st.fixed_dictionaries(
    {
        "name": WORDS,
        "description": WORDS,
        "unit": WORDS,
        "metadata": BAGS.map(attributes),
    }
)


def metrics_of(kind: str) -> st.SearchStrategy[Any]:
    """Make metrics of a kind, without points too."""
    points = st.lists(FIELDS[kind].map(lambda fields: point(kind, **fields)), max_size=2)
    return st.tuples(points, TOLD, OF_KIND[kind]).map(lambda made: metric(kind, *made[0], **made[1], **made[2]))


@st.composite
def requests(draw: Callable[..., Any]) -> ExportMetricsServiceRequest:
    """Make a request of some metrics under some resources and scopes, empty ones among them."""
    request = metrics(*draw(st.lists(st.sampled_from(sorted(POINTS)).flatmap(metrics_of), max_size=3)))
    only = request.resource_metrics[0]
    only.schema_url = draw(WORDS)
    only.resource.attributes.extend(attributes(draw(BAGS)))
    only.resource.dropped_attributes_count = draw(UNSIGNED_32)
    scope = only.scope_metrics.add()
    scope.schema_url, scope.scope.name, scope.scope.version = draw(WORDS), draw(WORDS), draw(WORDS)
    scope.scope.attributes.extend(attributes(draw(BAGS)))
    scope.scope.dropped_attributes_count = draw(UNSIGNED_32)
    scope.metrics.extend(draw(st.lists(st.sampled_from(sorted(POINTS)).flatmap(metrics_of), max_size=2)))
    if draw(st.booleans()):
        request.resource_metrics.add().scope_metrics.add().metrics.extend(draw(st.lists(metrics_of("sum"), max_size=1)))
    return request


@given(st.lists(requests(), min_size=10, max_size=20))
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    phases=[Phase.explicit, Phase.generate],  # every try is an insert: no time to shrink
)
def test_any_metric(journey: Any, reference: Any, sent: list[ExportMetricsServiceRequest]) -> None:
    """Any metrics under any resources and scopes, together in a segment: each row is found, no field is bent."""
    named = {str(number): request for number, request in enumerate(sent)}
    outcomes = journey.travel({label: each.SerializeToString() for label, each in named.items()}, Signal.METRICS)
    for label, request in named.items():
        expected = reference.points(request)
        assert outcomes[label].items == len(expected)
        assert sorted(outcomes[label].rows, key=repr) == expected


@pytest.mark.parametrize("kind", POINTS)
def test_counts_data_points(kind: str) -> None:
    """Items are data points of every kind, across metrics, scopes and resources."""
    request = metrics(metric(kind, point(kind), point(kind)), metric(kind), metric("sum", point("sum")))
    request.MergeFrom(metrics(metric(kind, point(kind))))
    assert METRICS(request.SerializeToString()).items == 4


def test_a_metric_of_no_kind_counts_nothing() -> None:
    """A metric that says nothing, or something only a newer OTLP knows, holds no data point."""
    request = metrics()
    request.resource_metrics[0].scope_metrics[0].metrics.add(name="empty")
    assert METRICS(request.SerializeToString()).items == 0


def weight(*found: Any, resource: dict[str, Any] | None = None) -> int:
    """Weigh a request."""
    return METRICS(metrics(*found, resource=resource).SerializeToString()).weight


def test_what_points_share_is_weighed() -> None:
    """The resource stands beside each data point in the tables, and so does what the metric says of itself."""
    one, large = point("gauge", as_int=1), {"large": "x" * 10_000}
    assert 500_000 < weight(metric("gauge", *[one] * 50), resource=large) < 520_000
    for told in ({"name": "x" * 10_000}, {"description": "x" * 10_000}, {"metadata": attributes(large)}):
        assert 500_000 < weight(metric("gauge", *[one] * 50, **told)) < 520_000
    assert weight(metric("gauge", one, description="x" * 10_000)) < 1000, "one point: nothing is repeated"


def test_schemas_are_weighed() -> None:
    """The schema URLs of resource and scope stand beside each item of every signal."""
    requests = {
        Signal.TRACES: traces(*(span() for _ in range(50))),
        Signal.LOGS: logs(*(log_record() for _ in range(50))),
        Signal.METRICS: metrics(metric("gauge", *(point("gauge") for _ in range(50)))),
    }
    for signal, request in requests.items():
        ((_, (resource,)),) = request.ListFields()
        ((_, (scope,)),) = [each for each in resource.ListFields() if each[0].name.startswith("scope")]
        resource.schema_url = scope.schema_url = "x" * 10_000
        assert 1_000_000 < VALIDATORS[signal](request.SerializeToString()).weight < 1_020_000


def test_metrics_without_points_are_weighed() -> None:
    """On its way to the tables a resource stands beside each metric, without data points too."""
    assert weight(*[metric("gauge")] * 50, resource={"large": "x" * 10_000}) > 500_000


DEEP, FLAT = [[["core"]]], {"list": [1, "x"], "map": {"k": True}, "text": "t"}


def everywhere(values: dict[str, Any]) -> ExportMetricsServiceRequest:
    """Put attributes in every place a metrics request has."""
    seen = [exemplar(values)]
    request = metrics(
        *(metric(kind, point(kind, values, exemplars=seen)) for kind in POINTS if kind != "summary"),
        metric("summary", point("summary", values), metadata=attributes(values)),
        resource=values,
    )
    request.resource_metrics[0].scope_metrics[0].scope.attributes.extend(attributes(values))
    return request


def test_every_place_is_flattened() -> None:
    """Attributes of resource, scope, metric, data points of every kind and exemplars: deep ones become text."""
    accepted = METRICS(everywhere({"deep": DEEP}).SerializeToString())
    assert accepted.items == len(POINTS)
    assert accepted.body.count(b'[[["core"]]]') == accepted.body.count(b"core") == 3 + len(POINTS) + 4


def test_flat_values_are_passed_through() -> None:
    """What fits the columns goes on as it came, byte for byte, however deep the message around it lies."""
    body = everywhere(FLAT).SerializeToString()
    assert METRICS(body).body == body
