"""What OTLP calls each signal: its HTTP path, its gRPC service, its messages and the records in them."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.request import Signal


@dataclass(frozen=True, slots=True)
class Wire:
    """One signal on the wire.

    Attributes:
        path: where it is posted over HTTP.
        service: the gRPC service whose `Export` takes it.
        request: the message a body is.
        response: the message of the answer.
        rejected: the field of the answer's `partial_success` that counts refused records.
        noun: what people call its records.
    """

    path: str
    service: str
    request: type[Message]
    response: type[Message]
    rejected: str
    noun: str


WIRE: dict[Signal, Wire] = {
    Signal.TRACES: Wire(
        "/v1/traces",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        "rejected_spans",
        "spans",
    ),
    Signal.LOGS: Wire(
        "/v1/logs",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
        "rejected_log_records",
        "log records",
    ),
    Signal.METRICS: Wire(
        "/v1/metrics",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        "rejected_data_points",
        "data points",
    ),
}
