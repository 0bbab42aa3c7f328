"""OTLP over gRPC, on a real socket, into a real database; and the exporters everybody uses, over both protocols."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from balance import assert_balanced
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess
from ways_in import open_to_all

from collector.errors import Retryable
from collector.receive import otlp_grpc
from collector.receive.intake import Intake
from collector.request import Request
from collector.telemetry import Counters

COMPRESSIONS = [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LIMIT = 2000  # of the `small` collector


@pytest.fixture
def channel(collector: CollectorProcess) -> Iterator[grpc.Channel]:
    """A connection."""
    with grpc.insecure_channel(collector.endpoints["grpc"]) as opened:
        yield opened


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_traces(collector: CollectorProcess, channel: grpc.Channel, compression: grpc.Compression) -> None:
    """Spans sent plain or packed are acknowledged without partial success, and are in the database with their peer."""
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


def rich_status(error: grpc.RpcError) -> Status:
    """Return the google.rpc.Status in the trailers of a refusal; it says what the refusal itself says."""
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    return status


def fields(status: Status) -> list[str]:
    """Return the paths a bad request is refused for."""
    details = BadRequest()
    assert status.details[0].Unpack(details)
    return [each.field for each in details.field_violations]


def test_malformed(channel: grpc.Channel) -> None:
    """A body that is no request of this signal: INVALID_ARGUMENT, with a sentence and BadRequest details."""
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(EXPORT)(b"\xff\xff", timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "ExportTraceServiceRequest" in refused.value.details()
    assert fields(rich_status(refused.value)) == [""]


def test_partial_success(collector: CollectorProcess, channel: grpc.Channel) -> None:
    """One record with text that is no UTF-8: the others are stored, partial_success says how many are not and why."""
    name = secrets.token_hex(8)
    body = traces(span(name), span("SPOIL"), span(name)).SerializeToString().replace(b"SPOIL", b"\xff" * 5)
    reply = ExportTraceServiceResponse.FromString(channel.unary_unary(EXPORT)(body, timeout=30))
    assert reply.partial_success.rejected_spans == 1
    assert "scopeSpans[0].spans[1].name: is not UTF-8" in reply.partial_success.error_message
    collector.wait_until_stored()
    found = collector.ask(f"SELECT count() AS n FROM otel.otel_traces WHERE SpanName = '{name}'")
    assert found == [{"n": 2}]


def test_nothing_usable(channel: grpc.Channel) -> None:
    """Where every record is bad: INVALID_ARGUMENT, and BadRequest names the fields."""
    body = traces(span("SPOIL")).SerializeToString().replace(b"SPOIL", b"\xff" * 5)
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(EXPORT)(body, timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields(rich_status(refused.value)) == ["resourceSpans[0].scopeSpans[0].spans[0].name"]


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


def test_a_client_that_leaves_before_its_message(collector: CollectorProcess) -> None:
    """There is nobody to answer: the call counts as refused, and the log is not full of it."""
    before = collector.health()["counters"].get("refused_no_message", 0)

    def left() -> None:
        gone = threading.Event()

        def nothing() -> Iterator[bytes]:
            gone.wait(60)
            yield b""

        with grpc.insecure_channel(collector.endpoints["grpc"]) as channel:
            with pytest.raises(grpc.RpcError):
                channel.stream_unary(EXPORT)(nothing(), timeout=0.05)
            gone.set()

    deadline = time.monotonic() + 60
    while collector.health()["counters"].get("refused_no_message", 0) - before < 10:
        assert time.monotonic() < deadline, collector.health()["counters"]
        left()  # some do before they are there at all
    assert "Traceback" not in collector.log.read_text()


def test_no_such_service(channel: grpc.Channel) -> None:
    """A service nobody serves: UNIMPLEMENTED, which clients do not send again."""
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(EXPORT.replace("trace", "profiles"))(b"", timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_too_large(small: CollectorProcess, compression: grpc.Compression) -> None:
    """The limit is the size after decompression: exactly it passes, one byte more is RESOURCE_EXHAUSTED, and counts.

    gRPC's library refuses it before we could: what we see is a call without a message.
    """
    before = small.health()["counters"].get("refused_no_message", 0)
    spare = LIMIT - len(traces(span("s", {"pad": "x" * 1000})).SerializeToString())
    bodies = [traces(span("s", {"pad": "x" * (1000 + spare + extra)})) for extra in (0, 1)]
    assert [each.ByteSize() for each in bodies] == [LIMIT, LIMIT + 1]
    with grpc.insecure_channel(small.endpoints["grpc"]) as channel:
        TraceServiceStub(channel).Export(bodies[0], timeout=30, compression=compression)
        with pytest.raises(grpc.RpcError) as refused:
            TraceServiceStub(channel).Export(bodies[1], timeout=30, compression=compression)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not refused.value.trailing_metadata()  # no RetryInfo: it is not to be sent again
    deadline = time.monotonic() + 10
    while small.health()["counters"].get("refused_no_message", 0) == before:
        assert time.monotonic() < deadline, small.health()["counters"]
        time.sleep(0.05)
    assert_balanced(small.health())


def test_a_resource_beside_each_span(small: CollectorProcess) -> None:
    """What a resource weighs beside each of its spans may be four times the limit; beyond it, RESOURCE_EXHAUSTED."""
    few, many = (traces(*[span()] * spans, resource={"large": "x" * 1150}) for spans in (6, 7))
    assert many.ByteSize() < LIMIT
    with grpc.insecure_channel(small.endpoints["grpc"]) as channel:
        TraceServiceStub(channel).Export(few, timeout=30)
        with pytest.raises(grpc.RpcError, match="beside each of 7 items") as refused:
            TraceServiceStub(channel).Export(many, timeout=30)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in dict(refused.value.trailing_metadata())


def highest_memory(collector: CollectorProcess) -> int:
    """Return the most memory a process has had, in bytes."""
    assert collector.process
    text = Path(f"/proc/{collector.process.pid}/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's own account of memory")
@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_bomb(small: CollectorProcess, compression: grpc.Compression) -> None:
    """Megabytes that arrive as kilobytes: RESOURCE_EXHAUSTED; they never unfold in memory.

    They are many, because the engine in the same process takes and gives back some fifty of its own meanwhile.
    """
    with grpc.insecure_channel(small.endpoints["grpc"], options=[("grpc.max_send_message_length", -1)]) as channel:
        stub = TraceServiceStub(channel)
        stub.Export(traces(span()), timeout=30, compression=compression)
        before = highest_memory(small)
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(EXPORT)(bytes(3 * 10**8), timeout=60, compression=compression)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert highest_memory(small) - before < 15 * 10**7
        stub.Export(traces(span()), timeout=30)


class Shelf:
    """Takes requests in the journal's place, or says when to come back."""

    def __init__(self, *refusals: Exception) -> None:
        """Refuse so often, then take everything."""
        self.refusals, self.kept = list(refusals), list[Request]()

    async def append(self, request: Request) -> None:
        """Keep or refuse."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.kept.append(request)


async def served(shelf: Shelf, use: Callable[[str], Any]) -> Any:
    """Serve gRPC on a real port in this process, and have `use` ask it from a thread."""
    intake = Intake(shelf.append, 10**6, Counters())
    server, port = otlp_grpc.server(intake, open_to_all(), "127.0.0.1", 0, connections=10)
    await server.start()
    try:
        return await asyncio.to_thread(use, f"127.0.0.1:{port}")
    finally:
        await server.stop(0)


def refusal(address: str) -> Any:
    """Send a span and return the error that comes back."""
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
        TraceServiceStub(channel).Export(traces(span()), timeout=30)
    return refused.value


async def test_throttled() -> None:
    """Not now: UNAVAILABLE with RetryInfo, in the standard details and where the Python exporter looks."""
    error = await served(Shelf(Retryable("the disk is full", retry_after=2.5)), refusal)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    info = RetryInfo()
    assert rich_status(error).details[0].Unpack(info)
    assert info.retry_delay.ToNanoseconds() == 2_500_000_000
    assert RetryInfo.FromString(dict(error.trailing_metadata())["google.rpc.retryinfo-bin"]) == info


async def test_a_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """A fault in the collector: INTERNAL, which no client sends again, with a Status that gives nothing away."""
    error = await served(Shelf(RuntimeError("secret")), refusal)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert rich_status(error).code == 13
    assert "secret" not in f"{error.details()} {rich_status(error)}"
    assert "RuntimeError: secret" in caplog.text


async def test_the_stock_exporter_waits_as_long_as_it_is_told() -> None:
    """OpenTelemetry's exporter, told to wait 0.3 s, does, and sends the same again: nothing is lost."""

    def export(address: str) -> tuple[SpanExportResult, float]:
        provider, done = TracerProvider(), InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(done))
        provider.get_tracer("t").start_span("s").end()
        exporter = GrpcSpans(endpoint=address, insecure=True)
        started = time.monotonic()
        result = exporter.export(done.get_finished_spans())
        exporter.shutdown()
        return result, time.monotonic() - started

    shelf = Shelf(Retryable("not now", retry_after=0.3), Retryable("not now", retry_after=0.3))
    result, took = await served(shelf, export)
    assert result is SpanExportResult.SUCCESS
    assert [request.items for request in shelf.kept] == [1]
    assert took > 0.6


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_labelled_but_not_compressed(collector: CollectorProcess, encoding: str) -> None:
    """Flagged as compressed and not, or as zstd: INTERNAL, which no client sends again; the next call is served.

    gRPC's own library, which knows no zstd, says so before the message reaches us. No client can be made to lie: HTTP/2
    is written by hand.
    """

    def header(name: str, value: str) -> bytes:
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    headers = {":method": "POST", ":scheme": "http", ":path": EXPORT, ":authority": "x"}
    headers |= {"content-type": "application/grpc", "te": "trailers", "grpc-encoding": encoding}
    compressed = b"\x01" + struct.pack(">I", 5) + b"plain"
    host, port = collector.endpoints["grpc"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        connection.sendall(frame(1, 4, 1, b"".join(header(*each) for each in headers.items())))
        connection.sendall(frame(0, 1, 1, compressed))
        answer = b""
        while b"grpc-message" not in answer:
            received = connection.recv(65536)
            assert received, answer
            answer += received
    assert b"grpc-status\x02" + str(grpc.StatusCode.INTERNAL.value[0]).encode() in answer, answer
    collector.send(traces(span()))


EXPORTERS: dict[str, tuple[Any, Any]] = {
    "grpc": (GrpcSpans, GrpcLogs),
    "http": (HttpSpans, HttpLogs),
}


@pytest.mark.parametrize("packed", ["none", "gzip", "deflate"])
@pytest.mark.parametrize("protocol", EXPORTERS)
def test_stock_exporters(collector: CollectorProcess, protocol: str, packed: str) -> None:
    """OpenTelemetry's own exporters, unconfigured but for the address: spans and logs arrive whole."""
    name = secrets.token_hex(8)
    spans, lines = EXPORTERS[protocol]
    if protocol == "grpc":
        compression = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
        to: dict[str, Any] = {"endpoint": collector.endpoints["grpc"], "insecure": True}
        to |= {"compression": compression.get(packed, grpc.Compression.Deflate)}
        where = [to, to]
    else:
        base = f"http://{collector.endpoints['http']}"
        where = [
            {"endpoint": f"{base}/v1/{signal}", "compression": Compression(packed)} for signal in ("traces", "logs")
        ]
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
