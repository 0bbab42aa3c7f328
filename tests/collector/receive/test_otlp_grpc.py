"""OTLP over gRPC, on a real socket, into a real database; and the exporters everybody uses, over both protocols."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LIMIT = 2000  # of the `small` collector


@pytest.fixture
def channel(collector: CollectorProcess) -> Iterator[grpc.Channel]:
    """A connection."""
    with grpc.insecure_channel(collector.endpoints["grpc"]) as opened:
        yield opened


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_traces(collector: CollectorProcess, channel: grpc.Channel, compression: grpc.Compression) -> None:
    """Spans sent plain or gzipped are acknowledged without partial success, and are in the database with their peer."""
    name = secrets.token_hex(8)
    reply = TraceServiceStub(channel).Export(traces(span(name), span(name)), timeout=30, compression=compression)
    assert not reply.HasField("partial_success")
    collector.wait_until_stored()
    assert collector.ask(
        f"SELECT Peer AS peer, count() AS n FROM otel.otel_traces WHERE SpanName = '{name}' GROUP BY 1"
    ) == [{"peer": "127.0.0.1", "n": 2}]


def test_logs(collector: CollectorProcess, channel: grpc.Channel) -> None:
    """Log records are acknowledged, and are in the database."""
    text = secrets.token_hex(8)
    LogsServiceStub(channel).Export(logs(log_record(text)), timeout=30)
    collector.wait_until_stored()
    assert collector.ask(f"SELECT count() AS n FROM otel.otel_logs WHERE Body = '{text}'") == [{"n": 1}]


def test_empty(collector: CollectorProcess, channel: grpc.Channel) -> None:
    """An empty request succeeds and stores nothing."""
    before = collector.health()["counters"].get("requests_journaled", 0)
    TraceServiceStub(channel).Export(traces(), timeout=30)
    assert collector.health()["counters"].get("requests_journaled", 0) == before


def test_malformed(channel: grpc.Channel) -> None:
    """A body that is no request of this signal: INVALID_ARGUMENT, with a sentence."""
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(EXPORT)(b"\xff\xff", timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "ExportTraceServiceRequest" in refused.value.details()


def test_metrics(collector: CollectorProcess, channel: grpc.Channel) -> None:
    """Data points are acknowledged, and are in the database."""
    name = secrets.token_hex(8)
    reply = MetricsServiceStub(channel).Export(
        metrics(metric("gauge", point("gauge", as_int=7), name=name)), timeout=30
    )
    assert not reply.HasField("partial_success")
    collector.wait_until_stored()
    assert collector.ask(f"SELECT Value AS v, Peer AS p FROM otel.otel_metrics_gauge WHERE MetricName = '{name}'") == [
        {"v": 7, "p": "127.0.0.1"}
    ]


def test_no_such_service(channel: grpc.Channel) -> None:
    """A service nobody serves: UNIMPLEMENTED, which clients do not send again."""
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(EXPORT.replace("trace", "profiles"))(b"", timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_too_large(small: CollectorProcess, compression: grpc.Compression) -> None:
    """The limit is the size after decompression: exactly it passes, one byte more is RESOURCE_EXHAUSTED."""
    spare = LIMIT - len(traces(span("s", {"pad": "x" * 1000})).SerializeToString())
    bodies = [traces(span("s", {"pad": "x" * (1000 + spare + extra)})) for extra in (0, 1)]
    assert [each.ByteSize() for each in bodies] == [LIMIT, LIMIT + 1]
    with grpc.insecure_channel(small.endpoints["grpc"]) as channel:
        TraceServiceStub(channel).Export(bodies[0], timeout=30, compression=compression)
        with pytest.raises(grpc.RpcError) as refused:
            TraceServiceStub(channel).Export(bodies[1], timeout=30, compression=compression)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(key != "google.rpc.retryinfo-bin" for key, _ in refused.value.trailing_metadata())


EXPORTERS: dict[str, tuple[Any, Any]] = {
    "grpc": (GrpcSpans, GrpcLogs),
    "http": (HttpSpans, HttpLogs),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("protocol", EXPORTERS)
def test_stock_exporters(collector: CollectorProcess, protocol: str, packed: bool) -> None:
    """OpenTelemetry's own exporters, unconfigured but for the address: spans and logs arrive whole."""
    name = secrets.token_hex(8)
    spans, lines = EXPORTERS[protocol]
    if protocol == "grpc":
        to: dict[str, Any] = {"endpoint": collector.endpoints["grpc"], "insecure": True}
        to |= {"compression": grpc.Compression.Gzip} if packed else {}
        where = [to, to]
    else:
        zipped = {"compression": Compression.Gzip} if packed else {}
        base = f"http://{collector.endpoints['http']}"
        where = [{"endpoint": f"{base}/v1/{signal}"} | zipped for signal in ("traces", "logs")]
    resource = Resource.create({"service.name": name})
    tracing, logging_ = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(spans(**where[0])))
    logging_.add_log_record_processor(BatchLogRecordProcessor(lines(**where[1])))
    with tracing.get_tracer("t", "1").start_as_current_span(name, kind=SpanKind.CLIENT) as current:
        current.set_attributes({"text": "é", "list": [1, 2], "deep": {"a": [{"b": 1}]}})
        current.add_event("happened", {"k": True})
        current.set_status(StatusCode.ERROR, "why")
        logging_.get_logger("t").emit(
            LogRecord(body="line", severity_text="WARN", severity_number=SeverityNumber.WARN, event_name="e")
        )
    tracing.shutdown()
    logging_.shutdown()
    collector.wait_until_stored()
    (row,) = collector.ask(
        "SELECT SpanKind, StatusCode, StatusMessage, SpanAttributes['text'] AS text, SpanAttributes['list'] AS list, "
        "SpanAttributes['deep'] AS deep, Events.Name AS events, ScopeName, ScopeVersion, TraceId "
        f"FROM otel.otel_traces WHERE ServiceName = '{name}'"
    )
    trace = row.pop("TraceId")
    assert row == {
        "SpanKind": "Client",
        "StatusCode": "Error",
        "StatusMessage": "why",
        "text": "é",
        "list": "[1,2]",
        "deep": '{"a":[{"b":1}]}',
        "events": ["happened"],
        "ScopeName": "t",
        "ScopeVersion": "1",
    }
    assert collector.ask(f"SELECT Body, SeverityText, TraceId FROM otel.otel_logs WHERE ServiceName = '{name}'") == [
        {"Body": "line", "SeverityText": "WARN", "TraceId": trace}
    ]


def test_hundreds_at_once(collector: CollectorProcess, channel: grpc.Channel) -> None:
    """Many requests in flight on one connection are each acknowledged, and each stored once."""
    name = secrets.token_hex(8)
    stub = TraceServiceStub(channel)
    calls = [stub.Export.future(traces(span(name), span(name)), timeout=60) for _ in range(300)]
    assert all(call.result() is not None for call in calls)
    collector.wait_until_stored()
    found = collector.ask(
        f"SELECT count() AS n, uniqExact(SpanId) AS ids FROM otel.otel_traces WHERE SpanName = '{name}'"
    )
    assert found == [{"n": 600, "ids": 600}]
