"""What the SDK's tests share: OTLP receivers on real sockets, the in-memory kit, and faults that show."""

from __future__ import annotations

import http.server
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

import otel_interactions as oi
from otel_interactions.guard import Guard
from otel_interactions.testing import Captured, captured

VARIABLES = ("OTEL_", "OTEL_INTERACTIONS_")


@pytest.fixture(autouse=True)
def clean_slate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Show our own faults, keep the environment's settings out, and leave nothing configured and no spans behind."""
    for name in list(os.environ):
        if name.startswith(VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_INTERACTIONS_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setattr(Guard, "reraise", True)
    yield
    oi.shutdown(timeout_ms=100)


@pytest.fixture
def seen() -> Iterator[Captured]:
    """Everything recorded in the test, in memory."""
    with captured() as everything:
        yield everything


@dataclass
class Received:
    """One span as it arrived on the wire."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    arrived: float
    request: int
    whole: Any


@dataclass
class Receiver:
    """An OTLP receiver of our own making; `answer` is called for each request and may refuse it by raising."""

    endpoint: str = ""
    spans: list[Received] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: int = 0
    answer: Callable[[], None] = lambda: None
    arrival: threading.Condition = field(default_factory=threading.Condition)

    def take(self, request: pb.ExportTraceServiceRequest, headers: dict[str, str]) -> None:
        """Keep the spans of one request."""
        with self.arrival:
            self.requests += 1
            self.headers.append(headers)
            for group in request.resource_spans:
                resource = _values(group.resource.attributes)
                for scope in group.scope_spans:
                    self.spans += [self._span(span, resource) for span in scope.spans]
            self.arrival.notify_all()

    def _span(self, span: Any, resource: dict[str, Any]) -> Received:
        return Received(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_values(span.attributes),
            resource=resource,
            arrived=time.monotonic(),
            request=self.requests,
            whole=span,
        )

    def wait_for(self, name: str, timeout: float = 10) -> Received:
        """Wait for a span of this name."""

        def found() -> Received | None:
            return next((span for span in self.spans if span.name == name), None)

        with self.arrival:
            span = self.arrival.wait_for(found, timeout)
        assert span, f"no {name} among {[span.name for span in self.spans]}"
        return span

    def names(self) -> list[str]:
        """Return the names of all spans, as they arrived."""
        return [span.name for span in self.spans]


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(member) for member in value.array_value.values]
    return None if kind is None else getattr(value, kind)


@pytest.fixture
def grpc_receiver() -> Iterator[Receiver]:
    """An OTLP/gRPC receiver on a port of its own."""
    receiver = Receiver()

    class Service(service.TraceServiceServicer):
        def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  the protocol's name
            try:
                receiver.answer()
            except PermissionError as refusal:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))
            receiver.take(request, {str(key): str(value) for key, value in context.invocation_metadata()})
            return pb.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(4))
    service.add_TraceServiceServicer_to_server(Service(), server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield receiver
    server.stop(None).wait()


@pytest.fixture
def http_receiver() -> Iterator[Receiver]:
    """An OTLP/HTTP receiver on a port of its own."""
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(
                pb.ExportTraceServiceRequest.FromString(body),
                {**{name.lower(): value for name, value in self.headers.items()}, ":path": self.path},
            )
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing on stderr."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What our logger and OpenTelemetry's have said so far, from INFO up."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]
