"""One request to the collector, over gRPC or HTTP, and what the answer means.

What the protocol calls retryable is tried again, and so is what an operator can mend (a wrong key, a wrong address):
nothing recorded is given up for that. Only a request whose bytes are refused is taken apart by the sender, down to the
spans at fault. (OTLP 1.9, "OTLP/gRPC Response" and "OTLP/HTTP Response".)
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import gzip
import importlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
TRACES_PATH: Final = "/v1/traces"
DEFAULT_ENDPOINTS: Final = {GRPC: "http://localhost:4317", HTTP: "http://localhost:4318"}
_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_GOOD: Final = range(200, 300)  # OTLP says 200; what stands between may say 202 or 204, and sends nothing back
_BYTES_AT_FAULT: Final = frozenset({400, 413, 415, 422})
_ANSWERS: Final = (
    "google.rpc.error_details_pb2",
    "google.rpc.status_pb2",
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
)
_GRPC: Final = ("grpc", "grpc._channel", "grpc.experimental")  # it imports these two when the first channel is made
_HTTP: Final = ("urllib3", "encodings.idna")  # a name of a host is encoded with it
_NOBODY: Final = ("failed to connect", "errors resolving", "DNS resolution failed")  # gRPC's words before it has sent
_FORK_WAITS: Final = 0.2  # seconds for a request to end by itself, and again for it to be cut off
_LONGEST_MESSAGE: Final = 300  # characters of an error


@dataclass(frozen=True, slots=True)
class Answer:
    """What the collector said to a request.

    Attributes:
        fate: `accepted`; `later`: try the same request again; `refused`: its bytes are at fault, or there are too many.
        error: why not, or what it said of what it did not take.
        rejected: of an accepted request, how many spans it did not take.
        after: seconds it asked to wait; None if it did not say.
        reached: False where nobody was there to take anything.
    """

    fate: Literal["accepted", "later", "refused"]
    error: str = ""
    rejected: int = 0
    after: float | None = None
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and how.

    Attributes:
        protocol: `grpc` or `http/protobuf`.
        endpoint: the address; of HTTP the whole URL.
        headers: of each request.
        gzip: whether requests are compressed.
        timeout: seconds for one request.
        certificate: file of the certificates that are trusted, "" for those of the system.
        client_key: file of our own key, "" for none.
        client_certificate: file of our own certificate, "" for none.
    """

    protocol: str
    endpoint: str
    headers: Mapping[str, str]
    gzip: bool = False
    timeout: float = 10.0
    certificate: str = ""
    client_key: str = ""
    client_certificate: str = ""


class Transport(Protocol):
    """A way to the collector."""

    def send(self, body: bytes) -> Answer:
        """Send a request and wait for the answer; never raises for what the network does."""

    def close(self) -> None:
        """Close the connection; a request that waits for its answer ends."""


def load(protocol: str) -> None:
    """Import what a transport needs, on the caller's thread.

    Where the sender's thread does it, a child that is forked meanwhile has half a module for ever.
    """
    for name in (*_ANSWERS, *(_GRPC if protocol == GRPC else _HTTP)):
        importlib.import_module(name)


def transport(target: Target) -> Transport:
    """Return the transport for a target; it connects with the first request. Raises OSError, ValueError: its files."""
    return Grpc(target) if target.protocol == GRPC else Http(target)


class _Forks:
    """Keeps forks and calls into gRPC apart.

    A child that is forked while another thread is inside gRPC is killed by it (SIGABRT) or hangs as soon as it uses
    it. Outside of calls gRPC knows what to do. So a fork waits for the request that is on its way, and cuts it off
    where that takes too long: it is sent again.
    """

    def __init__(self) -> None:
        self.ways: weakref.WeakSet[Grpc] = weakref.WeakSet()
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a forked child."""
        self._changed = threading.Condition()
        self._calls = self._forks = 0

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forks)
            self._calls += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._calls -= 1
            self._changed.notify_all()

    def before(self) -> None:
        """Wait until no thread is inside gRPC, and let none in."""
        with self._changed:
            self._forks += 1
            if self._changed.wait_for(lambda: not self._calls, _FORK_WAITS):
                return
        for way in list(self.ways):
            way.cut()
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, _FORK_WAITS)

    def after(self) -> None:
        """Go on in the parent."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


_forks = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forks.before, after_in_parent=_forks.after, after_in_child=_forks.renew)


def connect(target: Target, other: Target | None) -> Transport:
    """Return the transport for a target, and for another where nobody answers. Raises OSError, ValueError."""
    first = transport(target)
    return first if other is None else Either(first, transport(other))


class Grpc:
    """OTLP/gRPC. The bytes go as they are: no message is built."""

    def __init__(self, target: Target) -> None:
        import grpc  # noqa: PLC0415  an application uses one transport, and this one costs 50 ms

        self._errors = grpc
        self._target = target
        compression = grpc.Compression.Gzip if target.gzip else grpc.Compression.NoCompression
        host = urlsplit(target.endpoint).netloc or target.endpoint
        options = [
            ("grpc.max_receive_message_length", 16 << 20),
            ("grpc.primary_user_agent", "otel-interactions"),
            ("grpc.use_local_subchannel_pool", 1),  # or a new channel waits as long as the one before would have
        ]
        self._make: Callable[[], Any]
        if target.endpoint.startswith("https://"):
            self._make = partial(grpc.secure_channel, host, _credentials(grpc, target), options, compression)
        else:
            self._make = partial(grpc.insecure_channel, host, options, compression)
        self._metadata = tuple((name.lower(), value) for name, value in target.headers.items())  # HTTP/2 wants it
        self._closed = self._cut = False
        _forks.ways.add(self)
        with _forks:
            self._open()

    def _open(self) -> None:
        self._channel = self._make()
        self._call = self._channel.unary_unary(_EXPORT, None, None)

    def send(self, body: bytes) -> Answer:
        """Send a request."""
        with _forks:
            return self._send(body)

    def _send(self, body: bytes) -> Answer:
        if self._cut and not self._closed:
            self._cut = False
            self._open()
        try:
            reply = self._call(body, timeout=self._target.timeout, metadata=self._metadata)
        except self._errors.RpcError as error:
            answer = self._failed(error)
            if not answer.reached:
                self._renew()
            return answer
        except ValueError as error:  # the channel was closed
            return Answer("later", str(error), reached=False)
        return accepted(reply)

    def _failed(self, error: Any) -> Answer:
        code, said = error.code(), f"{error.code().name}: {error.details() or ''}"[:_LONGEST_MESSAGE]
        after = _retry_info(error)
        codes = self._errors.StatusCode
        if code is codes.INVALID_ARGUMENT or (code is codes.RESOURCE_EXHAUSTED and after is None):
            return Answer("refused", said)
        nobody = code is codes.UNAVAILABLE and (error.details() or "").startswith(_NOBODY)
        return Answer("later", said, after=after, reached=not nobody)

    def _renew(self) -> None:
        """Leave a channel that found nobody: it may fail all requests for two minutes before it looks again."""
        self._channel.close()
        self._open()
        if self._closed:  # meanwhile, by another thread
            self._channel.close()

    def cut(self) -> None:
        """Cut a request off; the next one gets a new channel."""
        self._cut = True
        self._channel.close()

    def close(self) -> None:
        """Close the channel."""
        self._closed = True
        self._channel.close()


class Http:
    """OTLP/HTTP with protobuf."""

    def __init__(self, target: Target) -> None:
        import urllib3  # noqa: PLC0415  an application uses one transport

        self._errors = urllib3.exceptions
        self._target = target
        files: dict[str, Any] = {
            "ca_certs": target.certificate or None,
            "key_file": target.client_key or None,
            "cert_file": target.client_certificate or None,
        }
        self._pool = urllib3.PoolManager(1, retries=False, timeout=target.timeout, **files)
        self._connection: Any = None
        self._remember_connections()
        self._headers = {"Content-Type": "application/x-protobuf", "User-Agent": "otel-interactions", **target.headers}
        if target.gzip:
            self._headers["Content-Encoding"] = "gzip"

    def send(self, body: bytes) -> Answer:
        """Send a request."""
        data = gzip.compress(body, 6, mtime=0) if self._target.gzip else body
        try:
            response = self._pool.request(
                "POST", self._target.endpoint, body=data, headers=self._headers, redirect=False
            )
        except self._errors.HTTPError as error:
            nobody = isinstance(error, self._errors.NewConnectionError | self._errors.ConnectTimeoutError)
            return Answer("later", str(error)[:_LONGEST_MESSAGE], reached=not nobody)
        if response.status in _GOOD:
            return accepted(response.data)
        said = f"HTTP {response.status} {response.reason or ''}: {_message(response.data)}"[:_LONGEST_MESSAGE]
        if response.status in _BYTES_AT_FAULT:
            return Answer("refused", said)
        return Answer("later", said, after=_seconds(response.headers.get("Retry-After")))

    def _remember_connections(self) -> None:
        """Keep the connection in use at hand: urllib3 has no way to cut off a request that waits for its answer."""
        pool = self._pool.connection_from_url(self._target.endpoint)
        make: Any = pool.ConnectionCls

        def remember(*args: Any, **kwargs: Any) -> Any:
            self._connection = make(*args, **kwargs)
            return self._connection

        pool.ConnectionCls = remember  # type: ignore[assignment]

    def close(self) -> None:
        """Close the connections; a request that waits for its answer ends."""
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of TLS would first say goodbye
        self._pool.clear()


class Either:
    """Two ways to the collector: where nobody answers on one, the request goes the other way.

    Args:
        first: the way that is preferred.
        second: the other.
        patience: seconds after which the preferred one is tried again.
    """

    def __init__(self, first: Transport, second: Transport, patience: float = 60.0) -> None:
        self._first, self._second, self._patience = first, second, patience
        self._second_until = 0.0

    def send(self, body: bytes) -> Answer:
        """Send a request the way that worked last, then the other."""
        if time.monotonic() < self._second_until:
            answer = self._second.send(body)
            if answer.reached:
                return answer
            self._second_until = 0.0
            return self._first.send(body)
        answer = self._first.send(body)
        if answer.reached:
            return answer
        other = self._second.send(body)
        if other.fate == "later":
            return answer if other.after is None else other
        self._second_until = time.monotonic() + self._patience
        return other

    def close(self) -> None:
        """Close both."""
        self._first.close()
        self._second.close()


def accepted(reply: bytes) -> Answer:
    """Read an ExportTraceServiceResponse: all was taken, or all but some. One that does not read says nothing."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse  # noqa: PLC0415

    if not reply:
        return Answer("accepted")
    try:
        partial = ExportTraceServiceResponse.FromString(reply).partial_success
    except DecodeError:
        return Answer("accepted")
    return Answer("accepted", partial.error_message[:_LONGEST_MESSAGE], max(0, partial.rejected_spans))


def _credentials(grpc: Any, target: Target) -> Any:
    def read(name: str) -> bytes | None:
        return Path(name).read_bytes() if name else None

    return grpc.ssl_channel_credentials(
        read(target.certificate), read(target.client_key), read(target.client_certificate)
    )


def _retry_info(error: Any) -> float | None:
    """Return the seconds a gRPC error asks to wait, if it does."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from google.rpc.error_details_pb2 import RetryInfo  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            with contextlib.suppress(DecodeError):
                for detail in Status.FromString(value).details:
                    info = RetryInfo()
                    if detail.Unpack(info):
                        return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None


def _seconds(header: str | None) -> float | None:
    """Return what Retry-After says: seconds, or a date."""
    if header is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(TypeError, ValueError):
        when = email.utils.parsedate_to_datetime(header)
        return max(0.0, when.replace(tzinfo=when.tzinfo or dt.UTC).timestamp() - time.time())
    return None


def _message(body: bytes) -> str:
    """Return what the body of an error says: a Status message, or text."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    message = ""
    with contextlib.suppress(DecodeError, UnicodeDecodeError):
        message = str(Status.FromString(body).message)
    return message or body.decode(errors="replace")
