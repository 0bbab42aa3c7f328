"""OTLP over HTTP, on a real socket, into a real database."""

from __future__ import annotations

import gzip
import json
import secrets
import socket

import httpx
import pytest
from google.rpc.status_pb2 import Status
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import PROTOBUF, CollectorProcess

GZIP = PROTOBUF | {"content-encoding": "gzip"}
LIMIT = 2000  # of the `small` collector


def status(reply: httpx.Response) -> Status:
    """Return the google.rpc.Status of an error."""
    assert reply.headers["content-type"] == "application/x-protobuf"
    return Status.FromString(reply.content)


def count(collector: CollectorProcess, name: str) -> int:
    """Count the spans of this name."""
    collector.wait_until_stored()
    return int(collector.ask(f"SELECT count() AS n FROM otel.otel_traces WHERE SpanName = '{name}'")[0]["n"])


@pytest.mark.parametrize("packed", [False, True])
def test_traces(collector: CollectorProcess, packed: bool) -> None:
    """Spans sent plain or gzipped are acknowledged with an empty response, and are in the database."""
    name = secrets.token_hex(8)
    body = traces(*(span(name) for _ in range(3))).SerializeToString()
    reply = collector.post("/v1/traces", gzip.compress(body) if packed else body, GZIP if packed else None)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"] == "application/x-protobuf"
    assert count(collector, name) == 3


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
@pytest.mark.parametrize("body", [b"", b"\x0a\x00"])
def test_empty(collector: CollectorProcess, path: str, body: bytes) -> None:
    """An empty request succeeds and stores nothing."""
    before = collector.health()["counters"].get("requests_journaled", 0)
    reply = collector.post(path, body)
    assert (reply.status_code, reply.content) == (200, b"")
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
        (b"not gzip", GZIP),
        (gzip.compress(b"\xff\xff"), GZIP),
        (gzip.compress(b"x" * 50)[:-3], GZIP),
    ],
)
def test_malformed(collector: CollectorProcess, body: bytes, headers: dict[str, str]) -> None:
    """A body that is not what it says: 400 with a Status in the request's encoding."""
    reply = collector.post("/v1/traces", body, headers)
    assert reply.status_code == 400
    assert status(reply).code == 3
    assert status(reply).message


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "", "application/x-protobuf2"])
def test_wrong_type(collector: CollectorProcess, content_type: str) -> None:
    """A content type nobody reads: 415, with the words in JSON, which people can read."""
    reply = collector.post("/v1/traces", b"{}", {"content-type": content_type})
    assert reply.status_code == 415
    assert reply.headers["content-type"] == "application/json"
    assert "application/x-protobuf" in json.loads(reply.content)["message"]


def test_wrong_encoding(collector: CollectorProcess) -> None:
    """A content encoding nobody reads: 415 with a Status that names what to send."""
    reply = collector.post("/v1/traces", b"x", PROTOBUF | {"content-encoding": "br"})
    assert reply.status_code == 415
    assert "gzip" in status(reply).message


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/traces", "/v1/traces/x"])
def test_no_such_path(collector: CollectorProcess, path: str) -> None:
    """A path nobody serves: 404 with a Status."""
    reply = collector.post(path, b"")
    assert reply.status_code == 404
    assert status(reply).code == 5


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_wrong_method(collector: CollectorProcess, method: str) -> None:
    """A method nobody serves: 405 with a Status, and what is allowed."""
    reply = httpx.request(method, f"http://{collector.endpoints['http']}/v1/traces", headers=PROTOBUF, timeout=30)
    assert reply.status_code == 405
    assert status(reply).code == 12


@pytest.mark.parametrize("packed", [False, True])
def test_too_large(small: CollectorProcess, packed: bool) -> None:
    """The limit is the size after decompression: exactly it passes, one byte more is 413 with a Status."""
    name = secrets.token_hex(4)
    spare = LIMIT - len(traces(span(name, {"pad": "x" * 1000})).SerializeToString())
    for extra, expected in ((0, 200), (1, 413)):
        body = traces(span(name, {"pad": "x" * (1000 + spare + extra)})).SerializeToString()
        assert len(body) == LIMIT + extra
        reply = small.post("/v1/traces", gzip.compress(body) if packed else body, GZIP if packed else None)
        assert reply.status_code == expected
    assert status(reply).code == 8
    assert "--max-request-bytes" in status(reply).message
    assert count(small, name) == 1


def test_a_bomb(small: CollectorProcess) -> None:
    """A hundred megabytes in a hundred kilobytes: 413, and the collector goes on."""
    assert small.post("/v1/traces", gzip.compress(bytes(10**8)), GZIP).status_code == 413
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
