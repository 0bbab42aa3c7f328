"""OpenTelemetry's OTLP exporters, made from an address; what is not given they read from `OTEL_EXPORTER_OTLP_*`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.sdk.trace.export import SpanExporter

GRPC: Final = "grpc"
TRACES_PATH: Final = "/v1/traces"
DEFAULT_ENDPOINTS: Final = {GRPC: "http://localhost:4317", "http/protobuf": "http://localhost:4318"}


def make_exporter(protocol: str, endpoint: str | None, headers: Mapping[str, str] | None) -> SpanExporter:
    """Return an exporter.

    Args:
        protocol: `grpc` or `http/protobuf`.
        endpoint: the collector's base address; http:// is without TLS, https:// with.
        headers: sent with each request.

    Raises:
        Exception: an environment variable of OpenTelemetry's has a value its classes refuse.
    """
    # Imported here: each brings its own transport, and an application uses one of them.
    if protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter  # noqa: PLC0415

        lower = {name.lower(): value for name, value in headers.items()} if headers else None  # HTTP/2 wants it
        return GrpcExporter(endpoint=endpoint, headers=lower)

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter  # noqa: PLC0415

    return HttpExporter(endpoint=_traces_url(endpoint), headers=dict(headers) if headers else None)


def _traces_url(endpoint: str | None) -> str | None:
    if endpoint is None or endpoint.rstrip("/").endswith(TRACES_PATH):
        return endpoint
    return endpoint.rstrip("/") + TRACES_PATH
