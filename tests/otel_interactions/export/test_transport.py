"""One request to a collector over gRPC and HTTP, against real servers."""

from __future__ import annotations

import email.utils
import gzip
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from certificates import Files
from google.rpc.status_pb2 import Status
from scripted import GrpcCollector, HttpCollector, Raw, Relay, partial, refuse

from otel_interactions.export.transport import GRPC, HTTP, Answer, Either, Target, Transport, transport

PROTOCOLS = [GRPC, HTTP]
BODY = secrets.token_bytes(20_000)
EVEN = b"\x0a\x00" * 50_000  # what gzip makes little of; to a collector that reads it, 50 000 empty groups
Connect = Callable[..., Transport]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make transports that are closed after the test."""
    made: list[Transport] = []

    def make(protocol: str, endpoint: str, **more: Any) -> Transport:
        more.setdefault("headers", {})
        more.setdefault("timeout", 5.0)
        made.append(transport(Target(protocol, endpoint, **more)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def grpc_collector() -> Iterator[GrpcCollector]:
    """An OTLP/gRPC collector."""
    collector = GrpcCollector()
    collector.start()
    yield collector
    collector.stop()


@pytest.fixture
def http_collector() -> Iterator[HttpCollector]:
    """An OTLP/HTTP collector."""
    collector = HttpCollector()
    collector.start()
    yield collector
    collector.stop()


@pytest.fixture
def collectors(grpc_collector: GrpcCollector, http_collector: HttpCollector) -> dict[str, Any]:
    """Both, by protocol."""
    return {GRPC: grpc_collector, HTTP: http_collector}


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], Raw]]:
    """Make listeners that do with a connection what the test says."""
    made: list[Raw] = []

    def make(handle: Callable[[socket.socket], None]) -> Raw:
        made.append(Raw(handle))
        return made[-1]

    yield make
    for each in made:
        each.close()


def url(protocol: str, port: int) -> str:
    """Return the address for a port of this machine."""
    return f"http://127.0.0.1:{port}" + ("/v1/traces" if protocol == HTTP else "")


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


# --- what arrives


@pytest.mark.parametrize("zipped", [False, True])
def test_the_body_arrives_byte_for_byte_over_grpc(
    grpc_collector: GrpcCollector, connect: Connect, zipped: bool
) -> None:
    """The collector reads the very bytes that were given; gzip makes them fewer on the wire."""
    relay = Relay(grpc_collector.port)
    way = connect(GRPC, url(GRPC, relay.port), gzip=zipped)
    for body in (BODY, EVEN, b""):
        assert way.send(body) == Answer("accepted")
    assert [request.body for request in grpc_collector.requests] == [BODY, EVEN, b""]
    assert relay.sent > len(BODY)
    assert (relay.sent < len(BODY) + len(EVEN) // 2) is zipped
    relay.close()


@pytest.mark.parametrize("zipped", [False, True])
def test_the_body_arrives_byte_for_byte_over_http(
    http_collector: HttpCollector, connect: Connect, zipped: bool
) -> None:
    """The collector reads the very bytes that were given, or their gzip, which is the same each time."""
    way = connect(HTTP, http_collector.endpoint, gzip=zipped)
    for body in (BODY, EVEN, EVEN):
        assert way.send(body) == Answer("accepted")
    came = http_collector.requests
    assert [request.path for request in came] == ["/v1/traces"] * 3
    assert {request.headers["content-type"] for request in came} == {"application/x-protobuf"}
    assert {request.headers.get("content-encoding") for request in came} == {"gzip" if zipped else None}
    assert [gzip.decompress(each.body) if zipped else each.body for each in came] == [BODY, EVEN, EVEN]
    assert came[1].body == came[2].body


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_headers(collectors: dict[str, Any], connect: Connect, protocol: str) -> None:
    """Headers are on each request, in lower case where HTTP/2 wants it, beside a user agent of ours."""
    way = connect(protocol, collectors[protocol].endpoint, headers={"X-Api-Key": "k", "tenant": "a b"})
    way.send(BODY)
    way.send(BODY)
    for request in collectors[protocol].requests:
        assert request.headers["x-api-key"] == "k"
        assert request.headers["tenant"] == "a b"
        assert request.headers["user-agent"].startswith("otel-interactions")


def test_a_trailing_slash(grpc_collector: GrpcCollector, connect: Connect) -> None:
    """An address of gRPC may end with a slash, or have a path that means nothing."""
    for end in ("", "/", "/v1/traces"):
        assert connect(GRPC, grpc_collector.endpoint + end).send(BODY).fate == "accepted"


def test_a_connection_is_kept(http_collector: HttpCollector, connect: Connect) -> None:
    """Requests share one connection; one that the collector closed meanwhile is made anew."""
    relay = Relay(int(http_collector.base.rpartition(":")[2]))
    way = connect(HTTP, url(HTTP, relay.port))
    assert [way.send(BODY).fate for _ in range(3)] == ["accepted"] * 3
    assert len(relay.connections) == 2  # one to us and one to the collector
    relay.connections[0].shutdown(socket.SHUT_RDWR)
    time.sleep(0.1)
    assert way.send(BODY).fate == "accepted"
    relay.close()


# --- what the answer means


def answering(collector: Any, reply: bytes) -> None:
    """Have a collector of either kind answer well with these bytes."""
    is_grpc = isinstance(collector, GrpcCollector)
    collector.answer = (lambda *_: reply) if is_grpc else (lambda _request: (200, {}, reply))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("reply", "rejected", "error"),
    [
        (b"", 0, ""),
        (partial(3, "no trace id"), 3, "no trace id"),
        (partial(0, "deprecated field"), 0, "deprecated field"),
        (b"\xff\xff not a message", 0, ""),
    ],
)
def test_an_accepted_request(
    collectors: dict[str, Any], connect: Connect, protocol: str, reply: bytes, rejected: int, error: str
) -> None:
    """Accepted is accepted; of a partial success we hear how many were not and why. Junk in the answer says nothing."""
    answering(collectors[protocol], reply)
    way = connect(protocol, collectors[protocol].endpoint)
    assert way.send(BODY) == Answer("accepted", error, rejected)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_count_below_nothing(collectors: dict[str, Any], connect: Connect, protocol: str) -> None:
    """A collector that says it rejected -5 spans rejected none."""
    answering(collectors[protocol], partial(-5, "?"))
    assert connect(protocol, collectors[protocol].endpoint).send(BODY).rejected == 0


REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_the_codes_of_grpc(grpc_collector: GrpcCollector, connect: Connect, code: grpc.StatusCode) -> None:
    """Only bytes at fault are refused; the rest is tried again. The error has the code and the collector's words."""
    grpc_collector.answer = lambda _body, context: refuse(context, code, "the words")
    answer = connect(GRPC, grpc_collector.endpoint).send(BODY)
    assert answer == Answer("refused" if code in REFUSALS else "later", f"{code.name}: the words")


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED]
)
@pytest.mark.parametrize("after", [0.0, 1.5, 7.0])
def test_retry_info(grpc_collector: GrpcCollector, connect: Connect, code: grpc.StatusCode, after: float) -> None:
    """How long to wait is read from the details; with them, an exhausted collector is one to try again."""
    grpc_collector.answer = lambda _body, context: refuse(context, code, "busy", after)
    answer = connect(GRPC, grpc_collector.endpoint).send(BODY)
    assert answer == Answer("later", f"{code.name}: busy", after=after)


def test_details_that_do_not_read(grpc_collector: GrpcCollector, connect: Connect) -> None:
    """Junk where the details should be counts as none."""

    def answer(_body: bytes, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"), ("other", "x")))
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    grpc_collector.answer = answer
    assert connect(GRPC, grpc_collector.endpoint).send(BODY) == Answer("later", "UNAVAILABLE: busy")


FATES = {
    "accepted": [200, 201, 202, 204],
    "refused": [400, 413, 415, 422],
    "later": [301, 302, 307, 308, 401, 403, 404, 405, 408, 409, 425, 429, 431, 500, 501, 502, 503, 504, 507],
}


@pytest.mark.parametrize(("status", "fate"), [(status, fate) for fate, all_ in FATES.items() for status in all_])
def test_the_statuses_of_http(http_collector: HttpCollector, connect: Connect, status: int, fate: str) -> None:
    """Only bytes at fault are refused; what an operator can mend is tried again; a redirect is not followed."""
    elsewhere = {"Location": http_collector.endpoint}
    body = b"" if fate == "accepted" else Status(message="the words").SerializeToString()
    http_collector.answer = lambda _request: (status, elsewhere, body)
    answer = connect(HTTP, http_collector.endpoint).send(BODY)
    assert (answer.fate, answer.reached, answer.after) == (fate, True, None)
    assert len(http_collector.requests) == 1
    if fate != "accepted":
        assert answer.error.startswith(f"HTTP {status} ")
        assert answer.error.endswith(": the words")


@pytest.mark.parametrize("status", [429, 502, 503])
def test_retry_after(http_collector: HttpCollector, connect: Connect, status: int) -> None:
    """Retry-After is read as seconds and as a date; one in the past or below nothing is now, junk is none."""
    headers: dict[str, str] = {}
    http_collector.answer = lambda _request: (status, headers, b"")
    way = connect(HTTP, http_collector.endpoint)
    for header, after in (("7", 7), ("0", 0), ("1.5", 1.5), ("-3", 0), ("soon", None), ("", None)):
        headers["Retry-After"] = header
        assert way.send(BODY).after == after
    for seconds in (30, -30):
        headers["Retry-After"] = email.utils.formatdate(time.time() + seconds, usegmt=True)
        assert way.send(BODY).after == pytest.approx(max(seconds, 0), abs=2)


TEXTS = [
    b"bad request: a span that nobody can read".ljust(2 + ord("a"), b"."),  # reads as a message, of unknown fields
    b'{"code": 3, "message": "no trace id"}',
    b"<html><head><title>502</title></head></html>",
    "schlüssel fehlt".encode("latin-1"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_error_in_text(http_collector: HttpCollector, connect: Connect, text: bytes) -> None:
    """A gateway that knows no protobuf is quoted too."""
    http_collector.answer = lambda _request: (500, {"Content-Type": "text/plain"}, text)
    answer = connect(HTTP, http_collector.endpoint).send(BODY)
    assert text.decode(errors="replace") in answer.error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_are_bounded(collectors: dict[str, Any], connect: Connect, protocol: str) -> None:
    """However much a collector says, an error is a line."""
    words = "no! " * 500
    if protocol == GRPC:
        collectors[GRPC].answer = lambda _body, context: refuse(context, grpc.StatusCode.INTERNAL, words)
    else:
        collectors[HTTP].answer = lambda _request: (500, {}, words.encode())
    way = connect(protocol, collectors[protocol].endpoint)
    error = way.send(BODY).error
    assert "no! no!" in error
    assert len(error) <= 300
    answering(collectors[protocol], partial(1, words * 100))
    error = way.send(BODY).error
    assert error.startswith("no! no!")
    assert len(error) <= 300


# --- nobody, and those who do not answer


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_there(connect: Connect, protocol: str) -> None:
    """Where nobody listens, or the name is unknown, nothing can have been taken; the error names the address."""
    port = unused_port()
    answer = connect(protocol, url(protocol, port)).send(BODY)
    assert (answer.fate, answer.reached, answer.after) == ("later", False, None)
    assert str(port) in answer.error
    assert "refused" in answer.error.lower()
    answer = connect(protocol, "http://nobody.invalid:4317").send(BODY)
    assert (answer.fate, answer.reached) == ("later", False)
    assert "nobody.invalid" in answer.error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_that_hangs(collectors: dict[str, Any], connect: Connect, protocol: str) -> None:
    """After its timeout a request is given up; it may have been taken."""
    release = threading.Event()
    collectors[protocol].answer = lambda *_: release.wait(20) and (200, {}, b"")
    started = time.monotonic()
    answer = connect(protocol, collectors[protocol].endpoint, timeout=0.5).send(BODY)
    assert 0.4 < time.monotonic() - started < 3
    release.set()
    assert (answer.fate, answer.reached) == ("later", True)
    assert answer.error


def read_and_close(connection: socket.socket) -> None:
    """Take an HTTP request, say half an answer, and go."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.close()


def greet_and_close(connection: socket.socket) -> None:
    """Take an HTTP/2 request, and go."""
    connection.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # empty SETTINGS
    connection.settimeout(0.3)
    taken = 0
    while taken < len(BODY):
        taken += len(connection.recv(1 << 16))
    connection.close()


@pytest.mark.parametrize(("protocol", "handle"), [(GRPC, greet_and_close), (HTTP, read_and_close)])
def test_a_collector_that_breaks_off(
    raw: Callable[..., Raw], connect: Connect, protocol: str, handle: Callable[[socket.socket], None]
) -> None:
    """A connection that breaks behind the request: it may have been taken, and is tried again."""
    answer = connect(protocol, url(protocol, raw(handle).port)).send(BODY)
    assert (answer.fate, answer.reached) == ("later", True), answer


def junk(connection: socket.socket) -> None:
    """Answer what is no protocol."""
    connection.recv(1 << 10)
    connection.sendall(b"\x00\xff junk \x00" * 100)
    connection.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_who_speaks_something_else(raw: Callable[..., Raw], connect: Connect, protocol: str) -> None:
    """Junk for an answer raises nothing, and is tried again."""
    answer = connect(protocol, url(protocol, raw(junk).port)).send(BODY)
    assert answer.fate == "later"
    assert answer.error


def test_grpc_to_a_port_that_speaks_http(http_collector: HttpCollector, connect: Connect) -> None:
    """The wrong protocol is something an operator can mend: later."""
    assert connect(GRPC, http_collector.base).send(BODY).fate == "later"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_close_ends_a_request_that_waits(collectors: dict[str, Any], connect: Connect, protocol: str) -> None:
    """Closing from another thread cuts a request off that waits for its answer; another one is not sent."""
    release = threading.Event()
    collector = collectors[protocol]
    collector.answer = lambda *_: release.wait(20) and (200, {}, b"")
    way = connect(protocol, collector.endpoint, timeout=10.0)
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(way.send(BODY)))
    thread.start()
    collector.wait_for(lambda: collector.requests)
    way.close()
    thread.join(2)
    ended = not thread.is_alive()
    release.set()
    thread.join()
    assert ended
    assert answers[0].fate == "later"


# --- TLS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates of two CAs."""
    return Files.made(tmp_path_factory.mktemp("pem"))


@pytest.fixture(params=PROTOCOLS)
def secure(request: pytest.FixtureRequest, files: Files) -> Iterator[Callable[..., tuple[str, Any]]]:
    """Start a collector with TLS that may demand a client's certificate; return its protocol and itself."""
    made: list[Any] = []

    def make(*, mutual: bool) -> tuple[str, Any]:
        ca = files.ca.read_bytes() if mutual else None
        if request.param == GRPC:
            pair = files.key.read_bytes(), files.cert.read_bytes()
            made.append(GrpcCollector(grpc.ssl_server_credentials([pair], ca, require_client_auth=mutual)))
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(files.cert, files.key)
            if mutual:
                context.load_verify_locations(files.ca)
                context.verify_mode = ssl.CERT_REQUIRED
            made.append(HttpCollector(context))
        made[-1].start()
        return request.param, made[-1]

    yield make
    for each in made:
        each.stop()


def test_a_certificate_that_is_trusted(secure: Callable[..., tuple[str, Any]], files: Files, connect: Connect) -> None:
    """With the CA's file the collector is trusted, and takes the bytes."""
    protocol, collector = secure(mutual=False)
    assert connect(protocol, collector.endpoint, certificate=str(files.ca)).send(BODY) == Answer("accepted")
    assert [request.body for request in collector.requests] == [BODY]


@pytest.mark.parametrize("trusted", ["", "other_ca"])
def test_a_certificate_that_is_not_trusted(
    secure: Callable[..., tuple[str, Any]], files: Files, connect: Connect, trusted: str
) -> None:
    """One of an unknown CA gets nothing; the error names the certificate, and it is tried again."""
    protocol, collector = secure(mutual=False)
    certificate = str(getattr(files, trusted)) if trusted else ""
    answer = connect(protocol, collector.endpoint, certificate=certificate).send(BODY)
    assert answer.fate == "later"
    assert "CERTIFICATE_VERIFY_FAILED" in answer.error.upper()
    assert collector.requests == []


def test_a_certificate_of_our_own(secure: Callable[..., tuple[str, Any]], files: Files, connect: Connect) -> None:
    """Where the collector demands a certificate, ours is shown; without one it is later."""
    protocol, collector = secure(mutual=True)
    without = connect(protocol, collector.endpoint, certificate=str(files.ca), timeout=2.0).send(BODY)
    assert without.fate == "later"
    assert without.error
    shown = {"client_key": str(files.client_key), "client_certificate": str(files.client_cert)}
    answer = connect(protocol, collector.endpoint, certificate=str(files.ca), **shown).send(BODY)
    assert answer == Answer("accepted")
    assert len(collector.requests) == 1


# --- two ways


class Way:
    """A way whose answers a test sets."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.sent, self.closed = answer, 0, False

    def send(self, body: bytes) -> Answer:  # noqa: ARG002
        self.sent += 1
        return self.answer

    def close(self) -> None:
        self.closed = True


NOBODY = Answer("later", "refused", reached=False)
LOST = Answer("later", "timed out")
TAKEN = Answer("accepted")


def test_the_other_way_where_nobody_answers(http_collector: HttpCollector, connect: Connect) -> None:
    """A collector whose gRPC does not answer gets the request over HTTP, once, and the next ones too."""
    either = Either(connect(GRPC, url(GRPC, unused_port())), connect(HTTP, http_collector.endpoint))
    assert [either.send(BODY).fate for _ in range(3)] == ["accepted"] * 3
    assert [request.body for request in http_collector.requests] == [BODY] * 3


def test_the_other_way_of_http(grpc_collector: GrpcCollector, connect: Connect) -> None:
    """The same the other way round."""
    either = Either(connect(HTTP, url(HTTP, unused_port())), connect(GRPC, grpc_collector.endpoint))
    assert either.send(BODY) == Answer("accepted")
    assert len(grpc_collector.requests) == 1


def test_never_both_ways_what_may_have_been_taken(
    raw: Callable[..., Raw], http_collector: HttpCollector, connect: Connect
) -> None:
    """A collector that broke off behind the request may have it: it is not sent the other way."""
    either = Either(connect(GRPC, url(GRPC, raw(greet_and_close).port)), connect(HTTP, http_collector.endpoint))
    assert either.send(BODY).fate == "later"
    assert http_collector.requests == []


@pytest.mark.parametrize(
    "first", [LOST, TAKEN, Answer("refused", "bad"), Answer("later", "busy", after=5.0), Answer("accepted", "two", 2)]
)
def test_an_answer_is_an_answer(first: Answer) -> None:
    """Whoever answers, whatever it says, is not gone around."""
    ways = Way(first), Way(TAKEN)
    assert Either(*ways).send(BODY) == first
    assert [way.sent for way in ways] == [1, 0]


def test_nobody_on_either_way() -> None:
    """Where both are away the error is that of the preferred one, which is tried first the next time."""
    ways = Way(NOBODY), Way(Answer("later", "other", reached=False))
    either = Either(*ways)
    assert either.send(BODY) == NOBODY
    assert either.send(BODY) == NOBODY
    assert [way.sent for way in ways] == [2, 2]


def test_somebody_else_on_the_other_way() -> None:
    """Who answers with an error on the other port may be anybody: the preferred way stays that, and its error."""
    ways = Way(NOBODY), Way(Answer("later", "HTTP 404"))
    either = Either(*ways)
    assert either.send(BODY) == NOBODY
    either.send(BODY)
    assert ways[0].sent == 2


def test_the_other_way_asks_to_wait() -> None:
    """A collector that asks on the other way to wait is heard."""
    busy = Answer("later", "HTTP 429", after=5.0)
    assert Either(Way(NOBODY), Way(busy)).send(BODY).after == 5.0


def test_back_to_the_preferred_way() -> None:
    """After its patience the preferred way is tried again; before, it is left alone."""
    ways = Way(NOBODY), Way(TAKEN)
    either = Either(*ways, patience=0.5)
    for _ in range(3):
        assert either.send(BODY) == TAKEN
    assert [way.sent for way in ways] == [1, 3]
    ways[0].answer = TAKEN
    time.sleep(0.6)
    either.send(BODY)
    assert [way.sent for way in ways] == [2, 3]


def test_back_at_once_when_the_other_way_is_gone() -> None:
    """When nobody answers on the other way any more, the preferred one gets the request at once."""
    ways = Way(NOBODY), Way(TAKEN)
    either = Either(*ways)
    either.send(BODY)
    ways[0].answer, ways[1].answer = TAKEN, NOBODY
    assert either.send(BODY) == TAKEN
    ways[1].answer = LOST
    assert either.send(BODY) == TAKEN


def test_an_answer_lost_on_the_other_way() -> None:
    """What the other way may have taken is not sent on the preferred one in the same breath."""
    ways = Way(NOBODY), Way(TAKEN)
    either = Either(*ways)
    either.send(BODY)
    ways[0].answer, ways[1].answer = TAKEN, LOST
    assert either.send(BODY) == LOST
    assert ways[0].sent == 1


def test_close_closes_both() -> None:
    """Closing closes both ways."""
    ways = Way(TAKEN), Way(TAKEN)
    Either(*ways).close()
    assert [way.closed for way in ways] == [True, True]
