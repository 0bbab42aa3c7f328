"""The one place where tests make OTLP messages."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = Any  # None, str, bool, int, float, bytes, a sequence or a mapping of these


def any_value(value: Value) -> AnyValue:  # noqa: PLR0911 - one return a kind of value
    """Encode a Python value, to any depth."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case Mapping():
            made = AnyValue()
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(attributes(value))
            return made
        case Sequence():
            made = AnyValue()
            made.array_value.SetInParent()
            made.array_value.values.extend(any_value(element) for element in value)
            return made
    raise TypeError(type(value))


def attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    """Encode attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def span(name: str = "work", values: Mapping[str, Value] | None = None, **fields: Any) -> Span:
    """Make a span that just ended, with random ids unless given."""
    now = time.time_ns()
    given = {
        "trace_id": secrets.token_bytes(16),
        "span_id": secrets.token_bytes(8),
        "kind": 1,
        "start_time_unix_nano": now - 1_000_000,
        "end_time_unix_nano": now,
    } | fields
    return Span(name=name, attributes=attributes(values or {}), **given)


def traces(
    *spans: Span, resource: Mapping[str, Value] | None = None, scope: str = "tests"
) -> ExportTraceServiceRequest:
    """Put spans under one resource and scope."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(attributes({"service.name": "tests"} | dict(resource or {})))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return request


def log_record(body: Value = "hello", values: Mapping[str, Value] | None = None, **fields: Any) -> LogRecord:
    """Make a log record of now."""
    given = {"time_unix_nano": time.time_ns(), "severity_number": 9, "severity_text": "INFO"} | fields
    return LogRecord(body=any_value(body), attributes=attributes(values or {}), **given)


def logs(*records: LogRecord, resource: Mapping[str, Value] | None = None) -> ExportLogsServiceRequest:
    """Put log records under one resource and scope."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.attributes.extend(attributes({"service.name": "tests"} | dict(resource or {})))
    scope_logs = resource_logs.scope_logs.add()
    scope_logs.scope.name = "tests"
    scope_logs.log_records.extend(records)
    return request


POINTS: dict[str, Any] = {
    "gauge": NumberDataPoint,
    "sum": NumberDataPoint,
    "histogram": HistogramDataPoint,
    "exponential_histogram": ExponentialHistogramDataPoint,
    "summary": SummaryDataPoint,
}


def point(kind: str, values: Mapping[str, Value] | None = None, **fields: Any) -> Any:
    """Make a data point of now, of one of the kinds in `POINTS`."""
    now = time.time_ns()
    given = {"start_time_unix_nano": now - 10**9, "time_unix_nano": now} | fields
    return POINTS[kind](attributes=attributes(values or {}), **given)


def exemplar(values: Mapping[str, Value] | None = None, **fields: Any) -> Exemplar:
    """Make an exemplar of now."""
    given = {"time_unix_nano": time.time_ns()} | fields
    return Exemplar(filtered_attributes=attributes(values or {}), **given)


def metric(kind: str, *points: Any, name: str = "work", **fields: Any) -> Metric:
    """Make a metric of these points; fields of its kind (temporality, monotonic) are given among the metric's own."""
    own = {key: fields.pop(key) for key in ("description", "unit", "metadata") if key in fields}
    made = Metric(name=name, **own)
    data = getattr(made, kind)
    data.SetInParent()
    data.data_points.extend(points)
    for key, value in fields.items():
        setattr(data, key, value)
    return made


def metrics(
    *found: Metric, resource: Mapping[str, Value] | None = None, scope: str = "tests"
) -> ExportMetricsServiceRequest:
    """Put metrics under one resource and scope."""
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.attributes.extend(attributes({"service.name": "tests"} | dict(resource or {})))
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name = scope
    scope_metrics.metrics.extend(found)
    return request
