"""Values nested deeper than ClickHouse's columns become JSON text, before the journal and only here.

Declared are scalars, arrays of scalars and maps of scalars. What is deeper would vanish without a word when ClickHouse
decodes it, and real GenAI instrumentations send five levels. Finding out costs nothing: `validate.py` parses each body
with a depth limit, and only a body that passes the limit comes here.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

_SMALL, _LARGE = 1e-6, 1e21  # ECMAScript writes an exponent outside of these


def flatten_traces(request: ExportTraceServiceRequest) -> None:
    """Replace too deep values in every attribute of a traces request, in place."""
    for resource_spans in request.resource_spans:
        _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            _attributes(scope_spans.scope.attributes)
            for span in scope_spans.spans:
                _attributes(span.attributes)
                for event in span.events:
                    _attributes(event.attributes)
                for link in span.links:
                    _attributes(link.attributes)


def flatten_logs(request: ExportLogsServiceRequest) -> None:
    """Replace too deep values in every attribute and body of a logs request, in place."""
    for resource_logs in request.resource_logs:
        _attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            _attributes(scope_logs.scope.attributes)
            for record in scope_logs.log_records:
                _attributes(record.attributes)
                _flatten(record.body)


def flatten_metrics(request: ExportMetricsServiceRequest) -> None:
    """Replace too deep values in every attribute of a metrics request, in place."""
    for resource_metrics in request.resource_metrics:
        _attributes(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            _attributes(scope_metrics.scope.attributes)
            for metric in scope_metrics.metrics:
                _attributes(metric.metadata)
                for point in data_points(metric):
                    _attributes(point.attributes)
                    for exemplar in () if metric.HasField("summary") else point.exemplars:
                        _attributes(exemplar.filtered_attributes)


def data_points(metric: Metric) -> Sequence[Any]:
    """Return the data points of a metric, whatever its kind; none where it has no kind."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


def _attributes(attributes: Iterable[KeyValue]) -> None:
    for attribute in attributes:
        _flatten(attribute.value)


def _flatten(value: AnyValue) -> None:
    if _is_deep(value):
        value.string_value = to_json(value)


def _is_nested(value: AnyValue) -> bool:
    """Tell whether a value holds others; empty arrays and maps fit the columns."""
    return bool(value.array_value.values or value.kvlist_value.values)


def _is_deep(value: AnyValue) -> bool:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return any(_is_nested(element) for element in value.array_value.values)
    if kind == "kvlist_value":
        return any(_is_nested(element.value) for element in value.kvlist_value.values)
    return False


def to_json(value: AnyValue) -> str:
    """Render a value as the OpenTelemetry exporter renders nested ones: JSON, keys sorted, bytes as base64.

    NaN and infinities become the strings the specification names ("NaN", "Infinity", "-Infinity").
    """
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return "[" + ",".join(to_json(element) for element in value.array_value.values) + "]"
    if kind == "kvlist_value":
        entries = sorted(value.kvlist_value.values, key=lambda element: element.key)
        return "{" + ",".join(f"{_quoted(each.key)}:{to_json(each.value)}" for each in entries) + "}"
    if kind == "double_value":
        return _double(value.double_value)
    if kind == "bytes_value":
        return _quoted(base64.b64encode(value.bytes_value).decode())
    if kind == "string_value":
        return _quoted(value.string_value)
    return "null" if kind is None else str(getattr(value, kind)).lower()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _double(number: float) -> str:
    """As ECMAScript writes numbers, like `otel_double` in SQL: 1, 0.1, 1e+21, 1e-7."""
    if math.isnan(number):
        return '"NaN"'
    if math.isinf(number):
        return '"Infinity"' if number > 0 else '"-Infinity"'
    if number == 0 or _SMALL <= abs(number) < _LARGE:
        return format(Decimal(repr(number)), "f").removesuffix(".0")
    mantissa, exponent = f"{Decimal(repr(number)).normalize():e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"
