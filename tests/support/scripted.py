"""OTLP collectors on real sockets that keep each request as it came and answer as a test says."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

import otel_interactions as oi

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def spans_of(body: bytes) -> list[Any]:
    """Return the spans of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def names_of(body: bytes) -> list[str]:
    """Return the names of the spans of a request."""
    return [span.name for span in spans_of(body)]


def partial(rejected: int, message: str) -> bytes:
    """Return the answer that some spans were not taken."""
    success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=success).SerializeToString()


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, message: str, after: float | None = None) -> None:
    """Refuse a request; with `after` the answer says how many seconds to wait."""
    if after is not None:
        packed = Packed()
        packed.Pack(RetryInfo(retry_delay=Duration(seconds=int(after), nanos=int(after % 1 * 1e9))))
        status = Status(code=code.value[0], message=message, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


@dataclass
class Request:
    """A request as it came."""

    body: bytes
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    path: str = ""


class _Collector:
    """What both have: the requests, and those whose answer was not a refusal."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.taken: list[Request] = []
        self.changed = threading.Condition()

    def came(self, request: Request) -> None:
        """Keep a request."""
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def took(self, request: Request) -> None:
        """Keep a request that is answered well."""
        with self.changed:
            self.taken.append(request)
            self.changed.notify_all()

    def names(self) -> list[str]:
        """Return the names of all spans that were taken, in order."""
        return [name for request in list(self.taken) for name in names_of(request.body)]

    def wait_for(self, found: Callable[[], object], timeout: float = 20) -> None:
        """Wait until something is so; it is looked at when a request comes, and when one is taken."""
        with self.changed:
            assert self.changed.wait_for(found, timeout), f"{len(self.requests)} requests, {Counter(self.names())}"

    def wait_for_spans(self, count: int, timeout: float = 20) -> None:
        """Wait until so many spans are taken."""
        self.wait_for(lambda: len(self.names()) >= count, timeout)


class GrpcCollector(_Collector):
    """An OTLP/gRPC collector.

    `answer` gets the bytes of each request and its context, and returns the bytes of the answer, if any, or refuses.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        super().__init__()
        self.answer: Callable[[bytes, grpc.ServicerContext], object] = lambda _body, _context: b""
        self.port = 0
        self._credentials = credentials
        self._server: grpc.Server | None = None

    @property
    def address(self) -> str:
        """Return host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """Return the address with its scheme."""
        return f"{'http' if self._credentials is None else 'https'}://{self.address}"

    def start(self) -> None:
        """Listen; again on the same port after a stop."""
        collector = self

        class Handler(grpc.GenericRpcHandler):
            def service(self, details: grpc.HandlerCallDetails) -> Any:
                return grpc.unary_unary_rpc_method_handler(collector._export) if details.method == EXPORT else None

        server = grpc.server(futures.ThreadPoolExecutor(8), (Handler(),), options=[("grpc.so_reuseport", 0)])
        address = f"127.0.0.1:{self.port}"
        for _ in range(100):
            try:
                if self._credentials is None:
                    self.port = server.add_insecure_port(address)
                else:
                    self.port = server.add_secure_port(address, self._credentials)
                break
            except RuntimeError:  # the one before is not gone yet
                time.sleep(0.05)
        server.start()
        self._server = server

    def stop(self) -> None:
        """Be away: requests under way are cut off."""
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def _export(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        request = Request(body, {str(key): str(value) for key, value in context.invocation_metadata()})
        self.came(request)
        reply = self.answer(body, context)
        if context.is_active():
            self.took(request)
        return reply if isinstance(reply, bytes) else b""


Reply = tuple[int, Mapping[str, str], bytes]


class HttpCollector(_Collector):
    """An OTLP/HTTP collector; `answer` gets each request and returns status, headers and body."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.answer: Callable[[Request], Reply] = lambda _request: (200, {}, b"")
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(body, headers, path=self.path)
                collector.came(request)
                status, given, reply = collector.answer(request)
                if status < 300:
                    collector.took(request)
                self.send_response(status)
                for name, value in given.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *args: object) -> None:
                """Say nothing on stderr."""

        class Server(http.server.ThreadingHTTPServer):
            def finish_request(self, request: Any, client_address: Any) -> None:
                if context is None:
                    super().finish_request(request, client_address)
                    return
                with context.wrap_socket(request, server_side=True) as wrapped:  # a failed handshake ends in its thread
                    super().finish_request(wrapped, client_address)

            def handle_error(self, *args: object) -> None:
                """Say nothing of connections that break."""

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http" if context is None else "https"
        self.base = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self.endpoint = f"{self.base}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def started(made: Any) -> Iterator[Any]:
    """Run a collector for the length of a block; whoever records to it is shut down first."""
    made.start()
    yield made
    oi.shutdown(timeout_ms=100)
    made.stop()


class Raw:
    """A listener that does with each connection what a test says; `received` counts the bytes passed through it."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._handle(connection)

    def close(self) -> None:
        """Close the listener and what it has."""
        for each in (self._listener, *self.connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join(5)


class Relay(Raw):
    """Passes connections on to a port, and counts the bytes that clients send."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._port = port
        super().__init__(self._pass_on)

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._port))
        self.connections.append(server)
        threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
        while data := client.recv(65536):
            self.sent += len(data)
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)

    @staticmethod
    def _copy(server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
