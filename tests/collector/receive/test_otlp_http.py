"""OTLP over HTTP, on a real socket, into a real database."""

from __future__ import annotations

import gzip
import json
import secrets
import socket
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import zstandard
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import PROTOBUF, CollectorProcess
from starlette.applications import Starlette
from ways_in import open_to_all

from collector.errors import Retryable
from collector.receive import otlp_http
from collector.receive.intake import Intake
from collector.telemetry import Counters

JSON = {"content-type": "application/json"}
GZIP = PROTOBUF | {"content-encoding": "gzip"}
LIMIT = 2000  # of the `small` collector
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "GZIP": gzip.compress,
}


def encoded(encoding: str, headers: dict[str, str] = PROTOBUF) -> dict[str, str]:
    """Return headers with a Content-Encoding, if there is one."""
    return headers | ({"content-encoding": encoding} if encoding else {})


def status(reply: httpx.Response) -> Status:
    """Return the google.rpc.Status of an error, in the encoding it says."""
    if reply.headers["content-type"] == "application/json":
        return json_format.Parse(reply.content, Status())
    assert reply.headers["content-type"] == "application/x-protobuf"
    return Status.FromString(reply.content)


def fields(reply: httpx.Response) -> list[str]:
    """Return the paths a bad request is refused for."""
    details = BadRequest()
    assert status(reply).details[0].Unpack(details)
    return [each.field for each in details.field_violations]


def span_json(name: str, **fields: Any) -> dict[str, Any]:
    """Write a span as OTLP/JSON."""
    return {"traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": name} | fields


def traces_json(*spans: dict[str, Any]) -> bytes:
    """Write a request as OTLP/JSON."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def count(collector: CollectorProcess, name: str) -> int:
    """Count the spans of this name."""
    collector.wait_until_stored()
    return int(collector.ask(f"SELECT count() AS n FROM otel.otel_traces WHERE SpanName = '{name}'")[0]["n"])


@pytest.mark.parametrize("encoding", PACK)
def test_traces(collector: CollectorProcess, encoding: str) -> None:
    """Spans sent plain or compressed are acknowledged with an empty response, and are in the database."""
    name = secrets.token_hex(8)
    body = traces(*(span(name) for _ in range(3))).SerializeToString()
    reply = collector.post("/v1/traces", PACK[encoding](body), encoded(encoding))
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"] == "application/x-protobuf"
    assert count(collector, name) == 3


@pytest.mark.parametrize("encoding", PACK)
def test_traces_in_json(collector: CollectorProcess, encoding: str) -> None:
    """Spans in JSON, plain or compressed, are acknowledged in JSON; their rows say what was sent, to the last bit."""
    name = secrets.token_hex(8)
    sent = span_json(
        name,
        kind="SPAN_KIND_SERVER",
        startTimeUnixNano="1700000000000000001",
        endTimeUnixNano=1700000000000000003,
        attributes=[
            {"key": "large", "value": {"intValue": "9223372036854775807"}},
            {"key": "raw", "value": {"bytesValue": "AP8="}},
            {"key": "deep", "value": {"arrayValue": {"values": [{"arrayValue": {"values": [{"intValue": 1}]}}]}}},
        ],
        links=[{"traceId": "AB" * 16, "spanId": "CD" * 8}],
    )
    reply = collector.post("/v1/traces", PACK[encoding](traces_json(sent)), encoded(encoding, JSON))
    assert (reply.status_code, reply.content) == (200, b"{}")
    assert reply.headers["content-type"] == "application/json"
    collector.wait_until_stored()
    (row,) = collector.ask(
        "SELECT TraceId, SpanId, SpanKind, toUnixTimestamp64Nano(Timestamp) AS at, Duration AS took, "
        "SpanAttributes AS attributes, Links.TraceId AS links, Peer AS peer "
        f"FROM otel.otel_traces WHERE SpanName = '{name}'"
    )
    assert row == {
        "TraceId": sent["traceId"],
        "SpanId": sent["spanId"],
        "SpanKind": "Server",
        "at": 1700000000000000001,
        "took": 2,
        "attributes": {"large": "9223372036854775807", "raw": "AP8=", "deep": "[[1]]"},
        "links": ["ab" * 16],
        "peer": "127.0.0.1",
    }


def test_logs_in_json(collector: CollectorProcess) -> None:
    """Log records in JSON, one of them with a body of fields as in OTLP's example of an event, are in the database."""
    name = secrets.token_hex(8)
    records = [
        {"body": {"stringValue": "line"}, "eventName": name, "severityNumber": "SEVERITY_NUMBER_WARN"},
        {"body": {"kvlistValue": [{"key": "a", "value": {"intValue": "0"}}]}, "event_name": name},
    ]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    reply = collector.post("/v1/logs", body, {"content-type": "Application/JSON; charset=utf-8"})
    assert (reply.status_code, reply.content) == (200, b"{}")
    collector.wait_until_stored()
    found = collector.ask(
        f"SELECT Body, SeverityNumber AS s FROM otel.otel_logs WHERE EventName = '{name}' ORDER BY s DESC"
    )
    assert found == [{"Body": "line", "s": 13}, {"Body": '{"a":0}', "s": 0}]


def test_large_json(collector: CollectorProcess) -> None:
    """A body that is decoded in a thread, with one bad record in the middle, is stored whole but for that record."""
    name = secrets.token_hex(8)
    spans = [span_json(name, attributes=[{"key": "k", "value": {"stringValue": "v" * 400}}]) for _ in range(1000)]
    spans[500]["spanId"] = "bad"
    reply = collector.post("/v1/traces", traces_json(*spans), JSON)
    assert reply.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert count(collector, name) == 999


def test_partial_success(collector: CollectorProcess) -> None:
    """One bad record: 200, the others stored, partial_success says how many are not, which and why; in protobuf ..."""
    name = secrets.token_hex(8)
    good = traces(span(name), span("SPOIL"), span(name)).SerializeToString()
    before = collector.health()["counters"].get("items_refused", 0)
    reply = collector.post("/v1/traces", good.replace(b"SPOIL", b"\xff" * 5))
    assert reply.status_code == 200
    partial = ExportTraceServiceResponse.FromString(reply.content).partial_success
    assert partial.rejected_spans == 1
    assert "resourceSpans[0].scopeSpans[0].spans[1].name: is not UTF-8" in partial.error_message
    assert count(collector, name) == 2
    assert collector.health()["counters"]["items_refused"] == before + 1


def test_partial_success_in_json(collector: CollectorProcess) -> None:
    """... and in JSON, where an id of the wrong length is enough."""
    name = secrets.token_hex(8)
    body = traces_json(span_json(name), span_json(name, traceId="abc"), span_json(name, startTimeUnixNano="soon"))
    reply = collector.post("/v1/traces", body, JSON)
    assert reply.status_code == 200
    partial = reply.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "resourceSpans[0].scopeSpans[0].spans[1].traceId: must be 32 hex digits" in partial["errorMessage"]
    assert "spans[2].startTimeUnixNano" in partial["errorMessage"]
    assert count(collector, name) == 1


def test_partial_success_of_logs(collector: CollectorProcess) -> None:
    """Log records are counted in their own field."""
    text = secrets.token_hex(8)
    body = logs(log_record(text), log_record("SPOIL")).SerializeToString().replace(b"SPOIL", b"\xff" * 5)
    partial = ExportLogsServiceResponse.FromString(collector.post("/v1/logs", body).content).partial_success
    assert partial.rejected_log_records == 1
    assert "logRecords[1].body.stringValue: is not UTF-8" in partial.error_message


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_nothing_usable(collector: CollectorProcess, headers: dict[str, str]) -> None:
    """Where every record is bad the request is refused: 400, and BadRequest names the fields."""
    body = traces(span("SPOIL"), span("SPOIL")).SerializeToString().replace(b"SPOIL", b"\xff" * 5)
    if headers is JSON:
        body = traces_json({"name": 5}, {"name": 6})
    reply = collector.post("/v1/traces", body, headers)
    assert reply.status_code == 400
    assert fields(reply) == [f"resourceSpans[0].scopeSpans[0].spans[{n}].name" for n in (0, 1)]


def test_logs(collector: CollectorProcess) -> None:
    """Log records are acknowledged, and are in the database."""
    text = secrets.token_hex(8)
    reply = collector.post("/v1/logs", gzip.compress(logs(log_record(text)).SerializeToString()), GZIP)
    assert (reply.status_code, reply.content) == (200, b"")
    collector.wait_until_stored()
    assert collector.ask(f"SELECT SeverityText AS s, ServiceName AS n FROM otel.otel_logs WHERE Body = '{text}'") == [
        {"s": "INFO", "n": "tests"}
    ]


def test_metrics(collector: CollectorProcess) -> None:
    """Data points are acknowledged, and are in the database."""
    name = secrets.token_hex(8)
    body = metrics(metric("sum", point("sum", as_int=2**63 - 1), name=name)).SerializeToString()
    reply = collector.post("/v1/metrics", gzip.compress(body), GZIP)
    assert (reply.status_code, reply.content) == (200, b"")
    collector.wait_until_stored()
    found = collector.ask(f"SELECT toString(ValueInt) AS v FROM otel.otel_metrics_sum WHERE MetricName = '{name}'")
    assert found == [{"v": str(2**63 - 1)}]


def test_the_peer_is_on_record(collector: CollectorProcess) -> None:
    """Each row says which address sent it."""
    name = secrets.token_hex(8)
    collector.post("/v1/traces", traces(span(name)).SerializeToString())
    assert count(collector, name) == 1
    assert collector.ask(f"SELECT Peer AS p FROM otel.otel_traces WHERE SpanName = '{name}'") == [{"p": "127.0.0.1"}]


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize(
    ("body", "headers", "answer"), [(b"", PROTOBUF, b""), (b"\x0a\x00", PROTOBUF, b""), (b"{}", JSON, b"{}")]
)
def test_empty(collector: CollectorProcess, path: str, body: bytes, headers: dict[str, str], answer: bytes) -> None:
    """An empty request succeeds and stores nothing."""
    before = collector.health()["counters"].get("requests_journaled", 0)
    reply = collector.post(path, body, headers)
    assert (reply.status_code, reply.content) == (200, answer)
    assert collector.health()["counters"].get("requests_journaled", 0) == before


@pytest.mark.parametrize("content_type", ["application/x-protobuf; charset=utf-8", "Application/X-Protobuf"])
def test_media_types_have_parameters_and_any_case(collector: CollectorProcess, content_type: str) -> None:
    """A media type is what it is, whatever its case and parameters."""
    reply = collector.post("/v1/traces", traces(span()).SerializeToString(), {"content-type": content_type})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xff", PROTOBUF),
        (b"{", JSON),
        (b"", JSON),
        (b'{"resourceLogs":[{}]}', JSON),
        (traces(span()).SerializeToString(), JSON),
        (traces_json(span_json("x")), PROTOBUF),
        *((b"plain", encoded(name, media)) for name in ("gzip", "deflate", "zstd") for media in (PROTOBUF, JSON)),
        (gzip.compress(b"\xff\xff"), GZIP),
        (gzip.compress(b"x" * 50)[:-3], GZIP),
    ],
)  # fmt: skip
def test_malformed(collector: CollectorProcess, body: bytes, headers: dict[str, str]) -> None:
    """A body that is not what it says: 400 with a Status in the request's encoding, and details."""
    reply = collector.post("/v1/traces", body, headers)
    assert reply.status_code == 400
    assert reply.headers["content-type"] == headers["content-type"]
    assert status(reply).code == 3
    assert status(reply).message
    assert fields(reply) == [""]


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-protobuf2", "application/grpc", "json"])
@pytest.mark.parametrize("encoding", ["", "br"])
def test_wrong_type(collector: CollectorProcess, content_type: str, encoding: str) -> None:
    """A content type nobody reads: 415, with the words in JSON, which people can read; whatever the encoding."""
    reply = collector.post("/v1/traces", b"{}", encoded(encoding, {"content-type": content_type}))
    assert reply.status_code == 415
    assert reply.headers["content-type"] == "application/json"
    assert "application/x-protobuf or application/json" in status(reply).message


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_wrong_encoding(collector: CollectorProcess, headers: dict[str, str]) -> None:
    """A content encoding nobody reads: 415 with a Status that names what to send, in the request's encoding."""
    reply = collector.post("/v1/traces", b"x", encoded("br", headers))
    assert reply.status_code == 415
    assert reply.headers["content-type"] == headers["content-type"]
    assert "gzip" in status(reply).message


@pytest.mark.parametrize("headers", [PROTOBUF, JSON, {}], ids=["protobuf", "json", "none"])
@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/traces", "/v1/traces/x", "/v1development/profiles"])
def test_no_such_path(collector: CollectorProcess, path: str, headers: dict[str, str]) -> None:
    """A path nobody serves: 404 with a Status in the request's encoding, JSON if it names none."""
    reply = collector.post(path, b"", headers or {"x": "y"})
    assert reply.status_code == 404
    assert reply.headers["content-type"] == headers.get("content-type", "application/json")
    assert status(reply).code == 5
    assert "/v1/traces" in status(reply).message


@pytest.mark.parametrize("headers", [PROTOBUF, JSON, {}], ids=["protobuf", "json", "none"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_wrong_method(collector: CollectorProcess, method: str, headers: dict[str, str]) -> None:
    """A method nobody serves: 405 with a Status, and what is allowed."""
    with httpx.Client(timeout=30, verify=False) as client:  # noqa: S501 - plain HTTP
        reply = client.request(method, f"http://{collector.endpoints['http']}/v1/traces", headers=headers)
    assert reply.status_code == 405
    assert reply.headers["content-type"] == headers.get("content-type", "application/json")
    assert reply.headers["allow"] == "POST"
    assert status(reply).code == 12


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd"])
def test_too_large(small: CollectorProcess, encoding: str, headers: dict[str, str]) -> None:
    """The limit is the size after decompression: exactly it passes, one byte more is 413 with a Status."""
    name = secrets.token_hex(4)

    def write(padding: int) -> bytes:
        if headers is JSON:
            return traces_json(span_json(name, padding="x" * padding))
        return traces(span(name, {"pad": "x" * padding})).SerializeToString()

    spare = LIMIT - len(write(1000))
    for extra, expected in ((0, 200), (1, 413)):
        body = write(1000 + spare + extra)
        assert len(body) == LIMIT + extra
        reply = small.post("/v1/traces", PACK[encoding](body), encoded(encoding, headers))
        assert reply.status_code == expected
    assert reply.headers["content-type"] == headers["content-type"]
    assert status(reply).code == 8
    assert "--max-request-bytes" in status(reply).message
    assert count(small, name) == 1


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_a_resource_beside_each_span(small: CollectorProcess, headers: dict[str, str]) -> None:
    """What a resource weighs beside each of its spans may be four times the limit; beyond it, 413 with a Status."""
    for spans, expected in ((6, 200), (7, 413)):
        request = traces(*[span("s")] * spans, resource={"large": "x" * 1150})
        document = {"attributes": [{"key": "large", "value": {"stringValue": "x" * 1150}}]}
        sent = {"resource": document, "scopeSpans": [{"spans": [span_json("s") for _ in range(spans)]}]}
        body = request.SerializeToString() if headers is PROTOBUF else json.dumps({"resourceSpans": [sent]}).encode()
        assert len(body) < LIMIT
        reply = small.post("/v1/traces", body, headers)
        assert reply.status_code == expected
    assert reply.headers["content-type"] == headers["content-type"]
    assert status(reply).code == 8
    assert "beside each of 7 items" in status(reply).message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb(small: CollectorProcess, encoding: str) -> None:
    """Fifty megabytes in some kilobytes: 413, and the collector goes on."""
    assert small.post("/v1/traces", PACK[encoding](bytes(5 * 10**7)), encoded(encoding)).status_code == 413
    assert small.post("/v1/traces", traces(span()).SerializeToString()).status_code == 200


def test_a_client_that_goes_away(collector: CollectorProcess) -> None:
    """Half a request is no request: nothing is stored, and the next one is served."""
    host, port = collector.endpoints["http"].rsplit(":", 1)
    before = collector.health()["counters"].get("requests_journaled", 0)
    with socket.create_connection((host, int(port))) as half:
        half.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: 1000\r\n\r\nabc"
        )
    assert collector.post("/v1/traces", b"").status_code == 200
    assert collector.health()["counters"].get("requests_journaled", 0) == before
    assert "Traceback" not in collector.log.read_text()


def test_the_peer_is_who_connected(collector: CollectorProcess) -> None:
    """The peer on record is the other end of the connection, not what a header says."""
    name = secrets.token_hex(8)
    collector.post("/v1/traces", traces(span(name)).SerializeToString(), PROTOBUF | {"x-forwarded-for": "6.6.6.6"})
    assert count(collector, name) == 1
    assert collector.ask(f"SELECT Peer AS p FROM otel.otel_traces WHERE SpanName = '{name}'") == [{"p": "127.0.0.1"}]


def test_a_connection_is_kept(collector: CollectorProcess) -> None:
    """One connection serves request after request, also after refusals and bodies that were never read."""
    posts = [
        (b"", PROTOBUF, 200),
        (b"x" * 300_000, {"content-type": "text/plain"}, 415),
        (b"x" * 300_000, encoded("br"), 415),
        (b"\xff", PROTOBUF, 400),
        (gzip.compress(bytes(7 * 10**7)), GZIP, 413),
        (b"{}", JSON, 200),
    ]
    opened = set()
    with httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=30) as client:
        for body, headers, expected in posts:
            with client.stream("POST", "/v1/traces", content=body, headers=headers) as reply:
                assert reply.status_code == expected
                opened.add(reply.extensions["network_stream"].get_extra_info("client_addr"))
                reply.read()
    assert len(opened) == 1


def test_pipelining(collector: CollectorProcess) -> None:
    """Requests sent on one connection before any answer was read are answered in order."""
    host, port = collector.endpoints["http"].rsplit(":", 1)
    name = secrets.token_hex(8)

    def write(body: bytes, media: str) -> bytes:
        head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    sent = [write(traces(span(name)).SerializeToString(), "application/x-protobuf") for _ in range(20)]
    sent.insert(5, write(b"\xff", "application/x-protobuf"))
    sent.insert(15, write(b"", "text/plain"))
    sent.append(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"".join(sent))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    codes = [int(each[:3]) for each in answers.split(b"HTTP/1.1 ")[1:]]
    assert codes == [200] * 5 + [400] + [200] * 9 + [415] + [200] * 6 + [200]
    assert count(collector, name) == 20


def test_a_body_in_chunks(collector: CollectorProcess) -> None:
    """A body whose length nobody says before, sent in chunks, is read to its end."""
    name = secrets.token_hex(8)
    body = gzip.compress(traces(*(span(name) for _ in range(100))).SerializeToString())
    with httpx.Client(timeout=30, verify=False) as client:  # noqa: S501 - plain HTTP
        address = f"http://{collector.endpoints['http']}/v1/traces"
        reply = client.post(address, content=(body[at : at + 100] for at in range(0, len(body), 100)), headers=GZIP)
    assert reply.request.headers["transfer-encoding"] == "chunked"
    assert reply.status_code == 200
    assert count(collector, name) == 100


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
async def test_a_fault_of_ours(headers: dict[str, str]) -> None:
    """A fault in the collector: 500, which no client sends again, with a Status that gives nothing away."""

    async def fail(_: Any) -> None:
        raise RuntimeError("secret")

    app = Starlette(
        routes=otlp_http.routes(Intake(fail, 10**6, Counters()), open_to_all()),
        exception_handlers={Exception: otlp_http.fail},
    )
    body = traces(span()).SerializeToString() if headers is PROTOBUF else traces_json(span_json("s"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        reply = await client.post("/v1/traces", content=body, headers=headers)
    assert reply.status_code == 500
    assert reply.headers["content-type"] == headers["content-type"]
    assert status(reply).code == 13
    assert b"secret" not in reply.content


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
async def test_throttled(headers: dict[str, str]) -> None:
    """Not now: 503 with Retry-After in whole seconds and a Status in the request's encoding."""

    async def refuse(_: Any) -> None:
        raise Retryable("the journal is full", retry_after=1.5)

    app = Starlette(routes=otlp_http.routes(Intake(refuse, 10**6, Counters()), open_to_all()))
    body = traces(span()).SerializeToString() if headers is PROTOBUF else traces_json(span_json("s"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        reply = await client.post("/v1/traces", content=body, headers=headers)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert (status(reply).code, status(reply).message) == (14, "the journal is full")


def test_many_at_once(collector: CollectorProcess) -> None:
    """Many connections, each with requests in flight, in both encodings: each span is acknowledged and stored once."""
    name = secrets.token_hex(8)

    def send(client: httpx.Client, number: int) -> int:
        body, headers = (
            (traces(span(name), span(name)).SerializeToString(), PROTOBUF)
            if number % 2
            else (traces_json(span_json(name), span_json(name)), JSON)
        )
        return client.post("/v1/traces", content=body, headers=headers).status_code

    limits = httpx.Limits(max_connections=50)
    with (
        httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=60, limits=limits) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        assert set(pool.map(lambda number: send(client, number), range(100))) == {200}
    assert count(collector, name) == 200
    found = collector.ask(f"SELECT uniqExact(SpanId) AS n FROM otel.otel_traces WHERE SpanName = '{name}'")
    assert found == [{"n": 200}]
