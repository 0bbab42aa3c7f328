"""OpenTelemetry's own meter provider and metric exporters, unconfigured but for the address: all of it arrives."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import grpc
import pytest
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from processes import CollectorProcess

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
LARGE = 2**53 + 1  # no double holds it
VIEWS = [
    View(instrument_name="spread", aggregation=ExponentialBucketHistogramAggregation()),
    View(instrument_name="shares", attribute_keys={"kept"}),
]


def exporter(collector: CollectorProcess, protocol: str) -> GrpcMetrics | HttpMetrics:
    """Make a stock exporter, packed; counters of the HTTP one are delta."""
    if protocol == "grpc":
        return GrpcMetrics(collector.endpoints["grpc"], insecure=True, compression=grpc.Compression.Gzip)
    return HttpMetrics(
        f"http://{collector.endpoints['http']}/v1/metrics",
        compression=Compression.Gzip,
        preferred_temporality={Counter: AggregationTemporality.DELTA},
    )


def observed(*values: float) -> Any:
    """Return a callback that observes these."""

    def callback(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, {"n": number}) for number, value in enumerate(values)]

    return callback


def record(provider: MeterProvider) -> None:
    """Use every instrument there is, with integers and floats, inside a sampled span."""
    meter = provider.get_meter("tests", "1.2", schema_url="https://example.org/1", attributes={"of": "scope"})
    parent = trace.SpanContext(TRACE_ID, SPAN_ID, is_remote=True, trace_flags=trace.TraceFlags(1))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    calls = meter.create_counter("calls", "{call}", "how many calls")
    calls.add(LARGE - 2, {"route": "/é", "list": [1, 2]})
    calls.add(2, {"route": "/é", "list": [1, 2]})
    meter.create_counter("shares").add(0.25, {"kept": "k", "dropped": 7})
    meter.create_up_down_counter("open").add(-3)
    meter.create_gauge("level").set(-LARGE)
    times = meter.create_histogram("times", "ms", explicit_bucket_boundaries_advisory=[1.0, 10.0])
    spread = meter.create_histogram("spread", "s")
    for value in (0, 0.5, 4, 100):
        times.record(value)
        spread.record(value)
    meter.create_observable_counter("ticks", [observed(LARGE, 1)])
    meter.create_observable_up_down_counter("depth", [observed(-1.5)])
    meter.create_observable_gauge("heat", [observed(0.1, 2)])
    context.detach(token)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_every_instrument(collector: CollectorProcess, protocol: str) -> None:
    """Counters, gauges, histograms of both kinds, observable ones; integers exactly; exemplars with their trace."""
    service = secrets.token_hex(8)
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter(collector, protocol))],
        Resource.create({"service.name": service, "host.cpus": 4}),
        AlwaysOnExemplarFilter(),
        views=VIEWS,
    )
    record(provider)
    provider.shutdown()
    collector.wait_until_stored()

    def rows(table: str, columns: str) -> dict[str, list[dict[str, Any]]]:
        sql = f"SELECT MetricName AS name, {columns} FROM otel.otel_metrics_{table} WHERE ServiceName = '{service}'"
        found: dict[str, list[dict[str, Any]]] = {}
        for row in collector.ask(f"{sql} ORDER BY name, Attributes['n']"):
            found.setdefault(row.pop("name"), []).append(row)
        return found

    number = "if(ValueType = 'int', toString(ValueInt), toString(Value)) AS value, toString(ValueType) AS type"
    delta = 1 if protocol == "http" else 2
    assert rows("sum", f"{number}, IsMonotonic AS up, AggregationTemporality AS t") == {
        "calls": [{"value": str(LARGE), "type": "int", "up": True, "t": delta}],
        "depth": [{"value": "-1.5", "type": "double", "up": False, "t": 2}],
        "open": [{"value": "-3", "type": "int", "up": False, "t": 2}],
        "shares": [{"value": "0.25", "type": "double", "up": True, "t": delta}],
        "ticks": [
            {"value": str(LARGE), "type": "int", "up": True, "t": 2},
            {"value": "1", "type": "int", "up": True, "t": 2},
        ],
    }
    assert rows("gauge", number) == {
        "heat": [{"value": "0.1", "type": "double"}, {"value": "2", "type": "int"}],
        "level": [{"value": str(-LARGE), "type": "int"}],
    }
    summed = "Count AS n, Sum AS s, Min AS lo, Max AS hi, HasSum AND HasMin AND HasMax AS told"
    facts = {"n": 4, "s": 104.5, "lo": 0, "hi": 100, "told": True}
    assert rows("histogram", f"{summed}, BucketCounts AS counts, ExplicitBounds AS bounds") == {
        "times": [facts | {"counts": [2, 1, 1], "bounds": [1, 10]}]
    }
    (spread,) = rows("exponential_histogram", f"{summed}, ZeroCount AS z, arraySum(PositiveBucketCounts) AS p, Scale")[
        "spread"
    ]
    assert spread.pop("Scale") > 0
    assert spread == facts | {"z": 1, "p": 3}
    assert rows("summary", "Count") == {}
    (calls,) = rows(
        "sum",
        "Attributes AS a, AttributeTypes AS at, MetricDescription AS d, MetricUnit AS u, ScopeName AS sn, "
        "ScopeVersion AS sv, ScopeSchemaUrl AS su, ScopeAttributes AS sa, ResourceAttributes['host.cpus'] AS cpus, "
        "TimeUnix > StartTimeUnix AND toUnixTimestamp64Nano(TimeUnix) % 1000000000 != 0 AS fine",
    )["calls"]
    assert calls == {
        "a": {"route": "/é", "list": "[1,2]"},
        "at": [1, 5],
        "d": "how many calls",
        "u": "{call}",
        "sn": "tests",
        "sv": "1.2",
        "su": "https://example.org/1",
        "sa": {"of": "scope"},
        "cpus": "4",
        "fine": True,
    }
    exemplars = "Exemplars.TraceId AS t, Exemplars.SpanId AS s, Exemplars.Value AS v, Exemplars.FilteredAttributes AS a"
    (share,) = rows("sum", f"{exemplars}, Attributes AS of_point, Exemplars.FilteredAttributeTypes AS at")["shares"]
    assert share == {
        "t": [f"{TRACE_ID:032x}"],
        "s": [f"{SPAN_ID:016x}"],
        "v": [0.25],
        "a": [{"dropped": "7"}],
        "of_point": {"kept": "k"},
        "at": [[3]],
    }
    (times,) = rows("histogram", f"{exemplars}, arraySort(Exemplars.Value) AS sorted")["times"]
    assert set(times["t"]) == {f"{TRACE_ID:032x}"}
    assert times["sorted"][-1] == 100
