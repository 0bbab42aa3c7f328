"""The figures as OTLP metrics: what an OpenTelemetry Collector makes that scrapes /metrics, with the same names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

_CUMULATIVE = pb.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_SCOPE = InstrumentationScope(name="collector.telemetry")
_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}  # UCUM, by how a name ends: OpenTelemetry's semantic conventions
_Labels = tuple[tuple[str, str], ...]


def encode(families: Iterable[Metric], resource: Mapping[str, str], began: int, now: int) -> bytes:
    """Return the figures as one OTLP request.

    Args:
        families: what to tell.
        resource: who tells it.
        began: since when they are counted, ns since 1970.
        now: of when they are, ns since 1970.
    """
    made = [metric for family in families for metric in _metric(family, began, now)]
    told = pb.ScopeMetrics(scope=_SCOPE, metrics=made)
    whole = pb.ResourceMetrics(resource=Resource(attributes=_attributes(resource.items())), scope_metrics=[told])
    return ExportMetricsServiceRequest(resource_metrics=[whole]).SerializeToString()


def _metric(family: Metric, began: int, now: int) -> Iterator[pb.Metric]:
    samples = [each for each in family.samples if not each.name.endswith("_created")]
    if not samples:
        return
    made = pb.Metric(name=samples[0].name, description=family.documentation)
    made.unit = _UNITS.get(family.name.rpartition("_")[2], "")
    if family.type == "histogram":
        made.name = family.name
        made.histogram.aggregation_temporality = _CUMULATIVE
        made.histogram.data_points.extend(_histograms(samples, began, now))
    elif family.type == "counter":
        made.sum.aggregation_temporality, made.sum.is_monotonic = _CUMULATIVE, True
        made.sum.data_points.extend(_number(each, began, now) for each in samples)
    else:
        made.gauge.data_points.extend(_number(each, 0, now) for each in samples)
    yield made


def _number(sample: Sample, began: int, now: int) -> pb.NumberDataPoint:
    attributes = _attributes(sample.labels.items())
    return pb.NumberDataPoint(
        attributes=attributes, start_time_unix_nano=began, time_unix_nano=now, as_double=sample.value
    )


def _histograms(samples: Iterable[Sample], began: int, now: int) -> Iterator[pb.HistogramDataPoint]:
    """Yield a point for each set of labels."""
    found: dict[_Labels, list[Sample]] = defaultdict(list)
    for each in samples:
        found[tuple((name, value) for name, value in each.labels.items() if name != "le")].append(each)
    for labels, told in found.items():
        yield _histogram(labels, told, began, now)


def _histogram(labels: _Labels, samples: list[Sample], began: int, now: int) -> pb.HistogramDataPoint:
    """Return one histogram; Prometheus' buckets hold those below them too, OTLP's do not."""
    buckets = sorted((float(each.labels["le"]), int(each.value)) for each in samples if each.name.endswith("_bucket"))
    reached = [count for _, count in buckets]
    return pb.HistogramDataPoint(
        attributes=_attributes(labels),
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=reached[-1],
        sum=sum(each.value for each in samples if each.name.endswith("_sum")),
        bucket_counts=[above - below for below, above in zip([0, *reached], reached, strict=False)],
        explicit_bounds=[bound for bound, _ in buckets[:-1]],
    )


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in pairs]
