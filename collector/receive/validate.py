"""One parse before the acknowledgement: is this OTLP, how much is in it, and is it as flat as ClickHouse's columns?

All three come from a single pass of upb, protobuf's C parser, about 1.5 us a span. Depth is the trick: upb refuses
messages nested deeper than 100. The body is parsed inside so many empty groups that exactly the depth ClickHouse's
columns have is left over:

    0B 0B … 0B | 12 len body | 0C 0C … 0C        (field 1 as a group, over and over; the request as field 2)

A body that fails is parsed once more without the wrapping; if it passes then, it is sound but deep and goes through
`nested.py`. How many groups fit is measured when the module is imported, on a sample that must pass and one that must
not, so a library with another limit fails at the start and not in the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from collector.errors import Malformed
from collector.receive import nested
from collector.request import Signal, varint

_OPEN, _CLOSE, _BODY = b"\x0b", b"\x0c", b"\x12"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A body fit for the journal, in canonical protobuf; how many items it has and what they weigh unfolded."""

    body: bytes
    items: int
    weight: int


def _wrapper_class(signal: Signal, request: type[Message]) -> type[Message]:
    """Make the message `{ optional group nest = 1 {itself}; optional Request request = 2; }`."""
    kind = descriptor_pb2.FieldDescriptorProto
    name = f"Depth{signal.name.title()}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"collector/receive/{name}.proto",
        package="collector.receive",
        syntax="proto2",
        dependency=[request.DESCRIPTOR.file.name],
    )
    message = file.message_type.add(name=name)
    optional = kind.LABEL_OPTIONAL
    message.field.add(
        name="nest", number=1, type=kind.TYPE_GROUP, label=optional, type_name=f".collector.receive.{name}"
    )
    message.field.add(
        name="request", number=2, type=kind.TYPE_MESSAGE, label=optional, type_name=f".{request.DESCRIPTOR.full_name}"
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"collector.receive.{name}"))


class Validator:
    """Accepts or refuses the bodies of one signal."""

    def __init__(
        self,
        signal: Signal,
        request: type[Message],
        measure: Callable[[Any], tuple[int, int]],
        flatten: Callable[[Any], None],
        samples: tuple[bytes, bytes],
    ) -> None:
        """Measure the depth limit on `samples`: a body as deep as allowed, and one a level deeper."""
        self._request = request
        self._wrapper = _wrapper_class(signal, request)
        self._measure = measure
        self._flatten = flatten
        self._levels = self._calibrate(*samples)

    def _calibrate(self, allowed: bytes, too_deep: bytes) -> int:
        levels = next((n for n in range(1000) if self._parse_shallow(allowed, n + 1) is None), None)
        if not levels or self._parse_shallow(too_deep, levels) is not None:
            raise RuntimeError("protobuf's parser has no usable depth limit; is the upb implementation installed?")
        return levels

    def _parse_shallow(self, body: bytes, levels: int) -> Any | None:
        wrapped = b"".join((_OPEN * levels, _BODY, varint(len(body)), body, _CLOSE * levels))
        try:
            outer: Any = self._wrapper.FromString(wrapped)
        except DecodeError:
            return None
        for _ in range(levels):
            outer = outer.nest
        return outer.request

    def __call__(self, body: bytes) -> Accepted:
        """Return the body as it may be journaled, with its number of items.

        It is written anew from what was parsed: protobuf allows a field to come twice (the last counts) and members of
        a `oneof` side by side, ClickHouse reads such bytes wrongly or not at all. 0.7 us a span.

        Raises:
            Malformed: the body is not a request of this signal.
        """
        request = self._parse_shallow(body, self._levels)
        if request is None:
            try:
                request = self._request.FromString(body)
            except DecodeError as error:
                raise self._malformed(body) from error
            self._flatten(request)
        elif body and not request.ListFields():  # only fields nobody knows: some text that happens to parse
            raise self._malformed(body)
        items, weight = self._measure(request)
        return Accepted(request.SerializeToString(), items, weight)

    def _malformed(self, body: bytes) -> Malformed:
        return Malformed(f"the body of {len(body)} bytes is not an {self._request.DESCRIPTOR.name} in protobuf")


def _measure_traces(request: ExportTraceServiceRequest) -> tuple[int, int]:
    items = weight = 0
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            items += len(scope.spans)
            weight += len(scope.spans) * _shared(resource, scope)
    return items, weight


def _measure_logs(request: ExportLogsServiceRequest) -> tuple[int, int]:
    items = weight = 0
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            items += len(scope.log_records)
            weight += len(scope.log_records) * _shared(resource, scope)
    return items, weight


def _measure_metrics(request: ExportMetricsServiceRequest) -> tuple[int, int]:
    """Count data points; what they share stands beside each, and beside a metric without any on the way there."""
    items = weight = 0
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            shared = _shared(resource, scope)
            for metric in scope.metrics:
                points = len(nested.data_points(metric))
                items += points
                weight += max(points, 1) * shared
                if points > 1:
                    weight += points * _described(metric)
    return items, weight


def _shared(resource: Any, scope: Any) -> int:
    """Return the bytes, about, of what stands beside each item of a scope: the resource, the scope, their schemas."""
    messages: int = resource.resource.ByteSize() + scope.scope.ByteSize()
    return messages + len(resource.schema_url) + len(scope.schema_url)


def _described(metric: Metric) -> int:
    """Return the bytes, about, of what a metric says of itself."""
    words = len(metric.name) + len(metric.description) + len(metric.unit)
    return words + sum(each.ByteSize() for each in metric.metadata)


def _trace_sample(depth: int) -> bytes:
    request = ExportTraceServiceRequest()
    value = request.resource_spans.add().scope_spans.add().spans.add().attributes.add(key="k").value
    for _ in range(depth):
        value = value.array_value.values.add()
    value.string_value = "v"
    return request.SerializeToString()


def _log_sample(depth: int) -> bytes:
    request = ExportLogsServiceRequest()
    value = request.resource_logs.add().scope_logs.add().log_records.add().attributes.add(key="k").value
    for _ in range(depth):
        value = value.array_value.values.add()
    value.string_value = "v"
    return request.SerializeToString()


def _metric_sample(depth: int) -> bytes:
    """Nest a value in the resource, where attributes lie highest: three levels above those of a data point.

    So a limit that notices an array in an array there lets plain values of data points pass, not arrays, and no
    attributes of exemplars. Bodies with these, which are rare, are walked: 10 us a data point instead of 2.
    """
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add()
    metrics.scope_metrics.add().metrics.add().gauge.data_points.add().attributes.add(key="k").value.bool_value = True
    value = metrics.resource.attributes.add(key="k").value
    for _ in range(depth):
        value = value.array_value.values.add()
    value.string_value = "v"
    return request.SerializeToString()


VALIDATORS: dict[Signal, Validator] = {
    Signal.TRACES: Validator(
        Signal.TRACES,
        ExportTraceServiceRequest,
        _measure_traces,
        nested.flatten_traces,
        (_trace_sample(1), _trace_sample(2)),
    ),
    Signal.LOGS: Validator(
        Signal.LOGS, ExportLogsServiceRequest, _measure_logs, nested.flatten_logs, (_log_sample(1), _log_sample(2))
    ),
    Signal.METRICS: Validator(
        Signal.METRICS,
        ExportMetricsServiceRequest,
        _measure_metrics,
        nested.flatten_metrics,
        (_metric_sample(1), _metric_sample(2)),
    ),
}
