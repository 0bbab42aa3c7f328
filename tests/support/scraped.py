"""A collector's /metrics as OTLP, as the OpenTelemetry Collector's Prometheus receiver makes it: names stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_builders import metric, metrics, point
from processes import CollectorProcess, plain_client
from prometheus_client.parser import text_string_to_metric_families

CUMULATIVE = 2


def scraped(collector: CollectorProcess, at: float) -> ExportMetricsServiceRequest:
    """Scrape once; the points are of this moment (s since 1970)."""
    with plain_client() as client:
        shown = {"authorization": f"Bearer {collector.key}"} if collector.key else {}
        reply: httpx.Response = client.get(f"http://{collector.endpoints['http']}/metrics", headers=shown)
    moment = {"time_unix_nano": int(at * 1e9)}
    made = []
    for family in text_string_to_metric_families(reply.text):
        if family.type == "histogram":
            points = _histograms(family.samples, moment)
            made.append(metric("histogram", *points, name=family.name, aggregation_temporality=CUMULATIVE))
        else:
            kind = "sum" if family.type == "counter" else "gauge"
            kept = [each for each in family.samples if not each.name.endswith("_created")]
            points = [point(kind, each.labels, as_double=each.value, **moment) for each in kept]
            if points:
                more = {"aggregation_temporality": CUMULATIVE, "is_monotonic": True} if kind == "sum" else {}
                made.append(metric(kind, *points, name=kept[0].name, **more))
    return metrics(*made, resource={"service.name": "collector", "service.instance.id": collector.endpoints["http"]})


def _histograms(samples: list[Any], moment: Mapping[str, int]) -> list[Any]:
    """Return a point for each set of labels: Prometheus' buckets add up, OTLP's do not."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Any]] = defaultdict(lambda: {"buckets": {}, "sum": 0.0})
    for each in samples:
        labels = tuple(sorted((name, value) for name, value in each.labels.items() if name != "le"))
        if each.name.endswith("_bucket"):
            found[labels]["buckets"][float(each.labels["le"])] = int(each.value)
        elif each.name.endswith("_sum"):
            found[labels]["sum"] = each.value
    points = []
    for labels, told in found.items():
        bounds = sorted(told["buckets"])
        reached = [told["buckets"][bound] for bound in bounds]
        counts = [now - before for before, now in zip([0, *reached], reached, strict=False)]
        more = {"count": reached[-1], "sum": told["sum"], "bucket_counts": counts, "explicit_bounds": bounds[:-1]}
        points.append(point("histogram", dict(labels), **more, **moment))
    return points
