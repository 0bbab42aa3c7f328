"""Handshakes of drivers as they came over the wire, byte for byte, so that they hold where Go and Java are not at hand.

Recorded from clickhouse-go 2.47.0 (with `Compression` none, gzip and lz4; Grafana's data source adds its settings),
clickhouse-jdbc 0.9.4 with its defaults, and curl 8; only the port is filled in.
"""

from __future__ import annotations

import gzip
import socket
from typing import Any

import pytest
from clickhouse_wire import decoded, unframed

GO = (
    b"POST /?client_protocol_version=54460&database=otel&default_format=Native HTTP/1.1\r\n"
    b"Host: 127.0.0.1:%(port)d\r\n"
    b"User-Agent: clickhouse-go/2.47.0 (lv:go/1.26.8; os:linux)\r\n"
    b"Content-Length: %(size)d\r\n"
    b"Authorization: Basic ZGVmYXVsdDo=\r\n"
    b"\r\n%(sql)b"
)
GO_GZIP = GO.replace(b"Authorization", b"Accept-Encoding: gzip\r\nAuthorization")
GO_LZ4 = GO.replace(b"&database", b"&compress=1&database")
GRAFANA = GO_GZIP.replace(b"&database", b"&max_execution_time=65&quota_key=&limit=1000000&database").replace(
    b"clickhouse-go/", b"grafana/13.2.0 clickhouse-datasource/4.20.0 clickhouse-go/"
)
JDBC = (
    b"POST /?compress=1&wait_end_of_query=1 HTTP/1.1\r\n"
    b"Content-Type: text/plain\r\n"
    b"X-ClickHouse-Format: RowBinaryWithNamesAndTypes\r\n"
    b"X-ClickHouse-Database: otel\r\n"
    b"Authorization: Basic ZGVmYXVsdDo=\r\n"
    b"User-Agent: ClickHouse JDBC Driver V2/0.9.4 clickhouse-java-v2/0.9.4 (Linux; jvm:17.0.15) "
    b"Apache-HttpClient/5.4.4\r\n"
    b"Host: 127.0.0.1:%(port)d\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\n"
    b"\r\n%(size)x\r\n%(sql)b\r\n0\r\n\r\n"
)
JDBC_QUERY = JDBC.replace(
    b"?compress=1&wait_end_of_query=1",
    b"?query_id=4f35d980-7176-4b0e-b4ef-f53a37252a52&compress=1&async_insert=0&wait_end_of_query=0",
)
CURL = (
    b"GET /?query=SELECT%%20version() HTTP/1.1\r\n"
    b"Host: localhost:%(port)d\r\n"
    b"User-Agent: curl/8.5.0\r\n"
    b"Accept: */*\r\n"
    b"X-Nothing: %(size)d%(sql)b\r\n\r\n"
)


class Wire:
    """One connection, used for one request after the other."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = self.socket.makefile("rb")

    def ask(self, recorded: bytes, sql: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        self.socket.sendall(recorded % {b"port": self.port, b"size": len(sql), b"sql": sql})
        status = int(self.stream.readline().split()[1])
        headers = {}
        while (line := self.stream.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers, self._body(headers)

    def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return self.stream.read(int(headers["content-length"]))
        body = b""
        while size := int(self.stream.readline(), 16):
            body += self.stream.read(size)
            self.stream.readline()
        self.stream.readline()
        return body


@pytest.fixture
def wire(sql):
    """A connection to the server."""
    wire = Wire(sql.port)
    yield wire
    wire.stream.close()
    wire.socket.close()


def plain(headers: dict[str, str], body: bytes, *, framed: bool) -> bytes:
    """Unpack a body."""
    body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    return unframed(body) if framed else body


@pytest.mark.parametrize("recorded", [GO, GO_GZIP, GO_LZ4, GRAFANA], ids=["go", "gzip", "lz4", "grafana"])
def test_clickhouse_go(wire: Wire, recorded: bytes) -> None:
    """Hello, `SELECT 1`, rows, none, an error, on one connection."""
    framed = recorded is GO_LZ4

    def blocks(sql: bytes) -> list[dict[str, list[Any]]]:
        status, headers, body = wire.ask(recorded, sql)
        assert status == 200
        assert headers["x-clickhouse-format"] == "Native"
        return decoded(plain(headers, body, framed=framed))

    [hello] = blocks(b"SELECT displayName(), version(), revision(), timezone()")
    assert list(hello) == ["displayName()", "version()", "revision()", "timezone()"]
    assert hello["revision()"][0] >= 54460
    assert blocks(b"SELECT 1") == [{"1": [1]}]
    assert sum(len(block["n"]) for block in blocks(b"SELECT number AS n FROM numbers(200000)")) == 200_000
    assert blocks(b"SELECT id FROM words WHERE 0") == []
    status, headers, body = wire.ask(recorded, b"SELECT nothing")
    assert (status, headers["x-clickhouse-exception-code"]) == (404, "47")
    assert plain(headers, body, framed=framed).startswith(b"Code: 47. DB::Exception: ")
    assert blocks(b"SELECT 1") == [{"1": [1]}]


def test_jdbc(wire: Wire) -> None:
    """Version, the check of a connection, rows, none, an error, on one connection."""

    def body(recorded: bytes, sql: bytes) -> bytes:
        status, headers, got = wire.ask(recorded, sql)
        assert status == 200
        return plain(headers, got, framed=True)

    version = body(JDBC, b"SELECT version() as server_version")
    assert version.startswith(b"\x01\x0eserver_version\x06String")
    assert body(JDBC, b"SELECT 1 FORMAT TabSeparated") == b"1\n"
    assert body(JDBC_QUERY, b"SELECT count() FROM words") == b"\x01\x07count()\x06UInt64" + (1000).to_bytes(8, "little")
    assert body(JDBC_QUERY, b"SELECT id FROM words WHERE 0") == b"\x01\x02id\x06UInt64"
    status, headers, got = wire.ask(JDBC_QUERY, b"SELECT nothing")
    assert (status, headers["x-clickhouse-query-id"]) == (404, "4f35d980-7176-4b0e-b4ef-f53a37252a52")
    assert plain(headers, got, framed=True).startswith(b"Code: 47. DB::Exception: ")


def test_curl(wire: Wire, sql) -> None:
    """A plain GET gets a plain text."""
    status, headers, body = wire.ask(CURL)
    assert (status, headers["content-type"]) == (200, "text/tab-separated-values; charset=UTF-8")
    assert body.decode() == sql.text("SELECT version()")
