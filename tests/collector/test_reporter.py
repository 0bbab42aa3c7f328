"""The collector stores its own figures: those of /metrics, by itself, through its journal."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_builders import log_record, logs, span, traces
from processes import CollectorProcess, running
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from scraped import scraped

from collector.errors import Retryable
from collector.reporter import SERVICE, Reporter
from collector.telemetry import Counters, otlp
from collector.telemetry.exposition import Exposition

SECONDS = 30
OWN = "ServiceName = 'otel-interactions-collector' AND startsWith(MetricName, 'otel_interactions_collector_')"

STORED = (
    f"SELECT max(Value) AS n FROM otel.otel_metrics_sum WHERE {OWN} AND endsWith(MetricName, 'items_stored_total') "
    "AND Attributes['signal'] != 'metrics' GROUP BY Attributes"
)


def until(true: Callable[[], Any]) -> Any:
    """Wait for something to be true, and return it."""
    deadline = time.monotonic() + SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def often(folder: Path, *flags: str) -> Any:
    """Run a collector that tells its figures often."""
    return running(folder, "--internal-metrics-seconds", "0.2", "--batch-seconds", "0.1", *flags)


def shapes(request: ExportMetricsServiceRequest) -> dict[str, Any]:
    """Return of each metric what does not change with time: its kind, and the attributes and bounds of its points."""
    found = {}
    for each in request.resource_metrics[0].scope_metrics[0].metrics:
        kind = each.WhichOneof("data")
        points = getattr(each, kind).data_points
        told = {tuple(sorted((pair.key, pair.value.string_value) for pair in point.attributes)) for point in points}
        found[each.name] = (kind, told, {tuple(getattr(point, "explicit_bounds", ())) for point in points})
    return found


def test_same_figures_as_metrics(tmp_path: Path) -> None:
    """What lies in ClickHouse is what /metrics tells, with the names and labels a scraper would give it."""
    with often(tmp_path / "data") as collector:
        collector.send(traces(span("s"), span()))
        collector.send(logs(log_record()))
        assert collector.post("/v1/traces", b"\xff").status_code == 400
        until(lambda: collector.ask(f"SELECT sum(n) AS n FROM ({STORED})")[0]["n"] == 3)
        told = shapes(scraped(collector, time.time()))
        ours = {name for name in told if name.startswith("otel_interactions_collector_")}
        names = [
            {row["name"]: row["labels"] for row in collector.ask(_labels_of(table))}
            for table in ("otel_metrics_sum", "otel_metrics_gauge", "otel_metrics_histogram")
        ]
        assert {name for each in names for name in each} == ours
        for each, kind in zip(names, ("sum", "gauge", "histogram"), strict=True):
            assert each.keys() == {name for name in ours if told[name][0] == kind}
            assert {name: {tuple(map(tuple, of)) for of in labels} for name, labels in each.items()} == {
                name: told[name][1] for name in each
            }
        assert collector.health()["counters"]["uncaught_exceptions"] == 0
        assert collector.stop() == 0


def _labels_of(table: str) -> str:
    labels = "arraySort(arrayZip(mapKeys(Attributes), mapValues(Attributes)))"
    return (
        f"SELECT toString(MetricName) AS name, groupUniqArray({labels}) AS labels FROM otel.{table} "
        f"WHERE {OWN} GROUP BY name"
    )


def test_an_instance_keeps_its_name(tmp_path: Path) -> None:
    """After a new start it is the same instance, whose counters begin anew: no figure counts twice on a board."""
    sql = (
        "SELECT groupUniqArray(ResourceAttributes['service.instance.id']) AS ids, uniqExact(StartTimeUnix) AS starts "
        f"FROM otel.otel_metrics_sum WHERE {OWN}"
    )
    for start in (1, 2):
        with often(tmp_path / "data") as collector:
            [found] = until(lambda n=start: [row for row in collector.ask(sql) if row["starts"] == n])
    assert len(found["ids"]) == 1
    assert found["ids"] != [""]


def test_every_request_has_its_fate(tmp_path: Path) -> None:
    """Killed amid telling, and started again: the figures' own requests are accounted for as all others are."""
    collector = CollectorProcess(tmp_path / "data", "--internal-metrics-seconds", "0.02", "--batch-seconds", "0.1")
    for _ in range(3):
        collector.start()
        until(lambda: collector.health()["counters"]["requests_stored"] > 5)
        collector.kill()
    twice = collector.start().ask(
        f"SELECT count() AS n FROM (SELECT 1 FROM otel.otel_metrics_sum WHERE {OWN} "
        "GROUP BY MetricName, Attributes, TimeUnix HAVING count() > 1)"
    )
    assert twice == [{"n": 0}]
    assert collector.stop() == 0


def test_never(tmp_path: Path) -> None:
    """With 0 there are none."""
    with running(tmp_path / "data", "--internal-metrics-seconds", "0", "--batch-seconds", "0.1") as collector:
        collector.send(traces(span()))
        collector.wait_until_stored()
        assert collector.health()["counters"]["requests_received"] == 1


def test_refused_this_time(caplog: pytest.LogCaptureFixture) -> None:
    """A journal that is full is no fault: the next ones tell what these did, and nobody is alarmed."""
    counters, sent = Counters(["traces"]), threading.Event()
    tries: list[bytes] = []

    def send(body: bytes) -> None:
        tries.append(body)
        if len(tries) < 3:
            raise Retryable("the journal is full")
        sent.set()

    reporter = Reporter(Exposition(counters, dict), send, {"service.instance.id": "one"}, 0.01)
    reporter.start()
    assert sent.wait(SECONDS)
    reporter.stop()
    assert not caplog.records
    request = ExportMetricsServiceRequest.FromString(tries[-1])
    resource = {each.key: each.value.string_value for each in request.resource_metrics[0].resource.attributes}
    assert resource == {"service.name": SERVICE, "service.instance.id": "one"}


def test_encoding() -> None:
    """Kinds, units and times are those of OpenTelemetry; buckets of Prometheus hold those below, OTLP's do not."""
    size = Metric("request_size_bytes", "Sizes", "histogram")
    for bound, reached in (("1.0", 2), ("5.0", 5), ("+Inf", 6)):
        size.add_sample("request_size_bytes_bucket", {"signal": "logs", "le": bound}, reached)
    size.add_sample("request_size_bytes_sum", {"signal": "logs"}, 40)
    size.add_sample("request_size_bytes_count", {"signal": "logs"}, 6)
    families = [
        CounterMetricFamily("stored", "Stored", 7),
        GaugeMetricFamily("age_seconds", "Age", math.inf),
        GaugeMetricFamily("none", "Without a figure", labels=["of"]),
        size,
    ]
    whole = ExportMetricsServiceRequest.FromString(otlp.encode(families, {"service.name": "x"}, 5, 9))
    total, age, sizes = whole.resource_metrics[0].scope_metrics[0].metrics
    [point] = total.sum.data_points
    assert (total.name, total.sum.is_monotonic, total.sum.aggregation_temporality) == ("stored_total", True, 2)
    assert (point.start_time_unix_nano, point.time_unix_nano, point.as_double) == (5, 9, 7)
    assert (age.unit, age.gauge.data_points[0].as_double) == ("s", math.inf)
    [found] = sizes.histogram.data_points
    assert (sizes.unit, sizes.histogram.aggregation_temporality, found.count, found.sum) == ("By", 2, 6, 40)
    assert (list(found.explicit_bounds), list(found.bucket_counts)) == ([1, 5], [2, 3, 1])
