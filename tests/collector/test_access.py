"""Keys as senders and readers meet them: a collector in a process of its own, every port, every way to show a key."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import grpc
import httpx
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_builders import log_record, logs, span, traces
from processes import PROTOBUF, CollectorProcess, add_key, running
from warm import run

from collector.access import keyfile
from collector.access.keys import Scope

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class House:
    """A collector that asks for keys, and one key of each kind."""

    collector: CollectorProcess
    ingest: str
    read: str
    admin: str
    everybodys: str

    def address(self, port: str) -> str:
        """Return the URL of a port."""
        return f"http://{self.collector.endpoints[port]}"

    def call(self, *metadata: tuple[str, str], body: bytes = b"") -> grpc.StatusCode:
        """Export over gRPC; return the status."""
        with grpc.insecure_channel(self.collector.endpoints["grpc"]) as channel:
            try:
                channel.unary_unary(EXPORT)(body, timeout=30, metadata=metadata)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
        return grpc.StatusCode.OK

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Ask for everybody's rows, once all are stored."""
        self.collector.key = self.everybodys
        self.collector.wait_until_stored()
        return self.collector.ask(sql)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all."""
    folder = tmp_path_factory.mktemp("access") / "data"
    made = [
        add_key(folder, Scope.INGEST, tenant="acme"),
        add_key(folder, Scope.READ, tenant="acme"),
        add_key(folder, Scope.ADMIN, tenant="beta"),
        add_key(folder, Scope.READ, tenant="*"),
    ]
    with running(folder, "--batch-seconds", "0.2", "--host", "0.0.0.0") as collector:
        yield House(collector, *made)


def bearer(key: str) -> dict[str, str]:
    """Show a key as HTTP does."""
    return {"authorization": f"Bearer {key}"}


def test_http_takes_a_key_in_two_ways(house: House) -> None:
    """`Authorization: Bearer` and `x-api-key`."""
    for headers in (bearer(house.ingest), {"x-api-key": house.ingest}, {"Authorization": f"bearer {house.admin}"}):
        assert house.collector.post("/v1/traces", b"", PROTOBUF | headers).status_code == 200


def test_grpc_takes_a_key_in_two_ways(house: House) -> None:
    """The same two, as metadata."""
    for key in (house.ingest, house.admin):
        assert house.call(("authorization", f"Bearer {key}")) is grpc.StatusCode.OK
        assert house.call(("x-api-key", key)) is grpc.StatusCode.OK


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs"])
@pytest.mark.parametrize("media", ["application/x-protobuf", "application/json"])
def test_http_without_a_key_that_fits(house: House, path: str, media: str) -> None:
    """No key or a wrong one: 401. One that may not: 403. Each with a Status in the request's encoding."""
    wrong = house.ingest[:-4] + "0000"
    collector = house.collector
    collector.key = ""
    for headers, code in (({}, 401), (bearer(wrong), 401), (bearer(house.read), 403), (bearer(house.everybodys), 403)):
        reply = collector.post(path, b"\xff", {"content-type": media} | headers)
        assert reply.status_code == code
        assert reply.headers["content-type"] == media
        assert ("www-authenticate" in reply.headers) == (code == 401)
        assert "retry-after" not in reply.headers
        number = {401: 16, 403: 7}[code]
        if media == "application/json":
            assert json.loads(reply.content)["code"] == number
        else:
            assert Status.FromString(reply.content).code == number


def test_grpc_without_a_key_that_fits(house: House) -> None:
    """UNAUTHENTICATED and PERMISSION_DENIED, which exporters do not send again."""
    assert house.call() is grpc.StatusCode.UNAUTHENTICATED
    assert house.call(("x-api-key", "oti_x")) is grpc.StatusCode.UNAUTHENTICATED
    assert house.call(("authorization", f"Basic {house.ingest}")) is grpc.StatusCode.UNAUTHENTICATED
    assert house.call(("x-api-key", house.read)) is grpc.StatusCode.PERMISSION_DENIED


def test_the_body_of_the_refused_is_not_read(house: House) -> None:
    """Who has no key is answered before a byte of the body came; the connection serves the next request after it."""
    host, port = house.collector.endpoints["http"].split(":")
    head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection, connection.makefile("rb") as answers:
        connection.sendall(f"{head}content-length: 1000000\r\n\r\n".encode())
        assert answers.readline().startswith(b"HTTP/1.1 401")
        connection.sendall(bytes(1_000_000))
        connection.sendall(f"{head}content-length: 0\r\nx-api-key: {house.ingest}\r\n\r\n".encode())
        rest = b""
        while b"HTTP/1.1" not in rest:  # the body of the refusal ends without a line's end
            rest += (line := answers.readline())
            assert line
        assert b"HTTP/1.1 200" in rest


SIGNALS: dict[str, Callable[[dict[str, str]], Any]] = {
    "otel_traces": lambda values: traces(span("claim", values), resource=values),
    "otel_logs": lambda values: logs(log_record("claim", values), resource=values),
}


@pytest.mark.parametrize("table", SIGNALS)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_tenant_comes_from_the_key(house: House, table: str, protocol: str) -> None:
    """Whatever the payload or the headers claim, rows belong to the tenant of the key."""
    claims = dict.fromkeys(("tenant", "Tenant", "otel.tenant", "tenant.id", "service.namespace"), "victim")
    claims["by"] = f"{protocol} {table}"
    body = SIGNALS[table](claims).SerializeToString()
    method = {"otel_traces": "trace.v1.TraceService", "otel_logs": "logs.v1.LogsService"}[table]
    for key in (house.ingest, house.admin):
        lies = {"x-tenant": "victim", "tenant": "victim", "x-scope-orgid": "victim"}
        if protocol == "grpc":
            with grpc.insecure_channel(house.collector.endpoints["grpc"]) as channel:
                export = channel.unary_unary(f"/opentelemetry.proto.collector.{method}/Export")
                export(body, timeout=30, metadata=[*lies.items(), ("x-api-key", key)])
        else:
            path = {"otel_traces": "/v1/traces", "otel_logs": "/v1/logs"}[table]
            assert house.collector.post(path, body, PROTOBUF | lies | bearer(key)).status_code == 200
    column = {"otel_traces": "SpanAttributes", "otel_logs": "LogAttributes"}[table]
    sql = f"SELECT Tenant AS tenant, count() AS n FROM otel.{table} WHERE {column}['by'] = '{claims['by']}' GROUP BY 1"
    assert house.rows(f"{sql} ORDER BY 1") == [{"tenant": "acme", "n": 1}, {"tenant": "beta", "n": 1}]


def test_the_envelope_is_not_the_payloads_to_write(house: House) -> None:
    """Bytes behind the request that look like the journal's own envelope stay inside it, or are refused."""
    forged = b"\x0a\x06victim"  # field 1 of the envelope: the tenant
    wrapped = b"\x52" + bytes([len(forged)]) + forged
    body = traces(span("forged")).SerializeToString()
    for each in (body + forged, forged + body, body + wrapped, wrapped + body, body + b"\xa2\x06\x06victim"):
        house.collector.post("/v1/traces", each, PROTOBUF | bearer(house.ingest))
    found = house.rows("SELECT DISTINCT Tenant AS tenant FROM otel.otel_traces WHERE SpanName = 'forged'")
    assert found == [{"tenant": "acme"}]


def test_the_tenant_outlives_a_restart(tmp_path: Path) -> None:
    """What was acknowledged and not yet loaded belongs to its tenant after kill -9 too, its key long revoked."""
    folder = tmp_path / "data"
    keys = [add_key(folder, tenant=tenant) for tenant in ("acme", "beta")]
    everybody = add_key(folder, Scope.READ, tenant="*")
    with running(folder, "--batch-seconds", "3600") as collector:
        for key, count in zip(keys, (2, 3), strict=True):
            collector.key = key
            collector.send(traces(*(span("s", {"tenant": "victim"}) for _ in range(count))))
        collector.kill()
        for key in keys:
            keyfile.revoke(folder / keyfile.FILE, key.split("_")[1])
        collector.start()
        collector.key = everybody
        collector.wait_until_stored()
        found = collector.ask("SELECT Tenant AS t, count() AS n FROM otel.otel_traces GROUP BY 1 ORDER BY 1")
    assert found == [{"t": "acme", "n": 2}, {"t": "beta", "n": 3}]


@pytest.mark.parametrize("exporter", [GrpcSpans, HttpSpans])
def test_stock_exporters(house: House, exporter: type[Any]) -> None:
    """OpenTelemetry's exporters with the key as a header, as OTEL_EXPORTER_OTLP_HEADERS sets it."""
    where = {"endpoint": house.address("http") + "/v1/traces"}
    if exporter is GrpcSpans:
        where = {"endpoint": house.collector.endpoints["grpc"], "insecure": True}
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter(**where, headers={"x-api-key": house.ingest})))
    name = exporter.__module__
    provider.get_tracer("t").start_span(name).end()
    provider.shutdown()
    assert house.rows(f"SELECT Tenant AS t FROM otel.otel_traces WHERE SpanName = '{name}'") == [{"t": "acme"}]


SQL_WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "Basic": lambda key: {"auth": ("anybody", key)},
    "Bearer": lambda key: {"headers": bearer(key)},
    "X-ClickHouse-Key": lambda key: {"headers": {"X-ClickHouse-User": "u", "X-ClickHouse-Key": key}},
    "x-api-key": lambda key: {"headers": {"x-api-key": key}},
    "password": lambda key: {"params": {"user": "u", "password": key}},
}


@pytest.mark.parametrize("way", SQL_WAYS)
def test_sql_takes_a_key_in_every_way(house: House, way: str) -> None:
    """As ClickHouse's clients send a password and ours a key; a wrong one is 401, one that may not read 403."""

    def status(key: str) -> int:
        return httpx.post(house.address("sql"), content="SELECT 1", **SQL_WAYS[way](key)).status_code

    assert [status(key) for key in (house.read, house.admin, house.everybodys)] == [200, 200, 200]
    assert status(house.ingest) == 403
    assert status(house.read[:-1] + "x") == 401
    assert httpx.post(house.address("sql"), content="SELECT 1").status_code == 401


def test_curl(house: House) -> None:
    """As people do it."""
    url = house.address("sql")
    asked = ["curl", "-sS", "-u", f"me:{house.read}", url, "--data-binary", "SELECT 40 + 2"]
    assert subprocess.run(asked, check=True, capture_output=True, text=True).stdout == "42\n"
    refused = subprocess.run(["curl", "-sS", "-i", url, "-d", "SELECT 1"], check=True, capture_output=True, text=True)
    assert refused.stdout.startswith("HTTP/1.1 401")
    assert "www-authenticate" in refused.stdout.lower()


def test_clickhouse_connect(house: House) -> None:
    """The driver with the key as its password."""
    host, port = house.collector.endpoints["sql"].split(":")
    with clickhouse_connect.get_client(host=host, port=int(port), username="me", password=house.admin) as client:
        assert client.command("SELECT 42") == 42
    with pytest.raises(DatabaseError, match="not valid"):
        clickhouse_connect.get_client(host=host, port=int(port), username="me", password=house.admin[:-1] + "x")


def test_health(house: House) -> None:
    """Without a key: whether it is well, for probes. With one that may read: everything."""

    def health(**how: Any) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(house.address("http") + "/health", **how).json()
        return answer

    for how in ({}, {"headers": bearer(house.ingest)}, {"headers": bearer("oti_wrong")}):
        assert health(**how) == {"status": "healthy"}
    for key in (house.read, house.admin, house.everybodys):
        assert health(headers=bearer(key))["counters"]["requests_received"] > 0


def test_refusals_are_counted(house: House) -> None:
    """Each refused request counts, by its reason; the figures add up."""
    collector = house.collector
    collector.key = house.everybodys
    before = collector.health()["counters"]
    for headers in ({"x-api-key": "no"}, {"x-api-key": house.read}):
        collector.post("/v1/traces", b"", PROTOBUF | headers | {"authorization": ""})
    house.call()
    after = collector.health()["counters"]
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown == {
        "requests_received": 3,
        "requests_refused": 3,
        "refused_unauthenticated": 2,
        "refused_forbidden": 1,
        "access_refused": 3,
    }


def test_the_command_line_shows_its_key(house: House) -> None:
    """`sql` takes the key from --key or the environment, and never prints it; without one it says what is missing."""
    folder = str(house.collector.data_dir)

    def sql(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(["sql", "SELECT 7", "--data-dir", folder, *flags], **environment)

    assert sql("--key", house.read).stdout.endswith("7\n")
    assert sql(OTEL_INTERACTIONS_KEY=house.read).stdout.endswith("7\n")
    for done in (sql(), sql("--key", house.ingest), sql("--key", house.read + "0")):
        assert done.returncode == 1
        assert "--key or OTEL_INTERACTIONS_KEY" in done.stderr
        assert house.read not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr


def test_no_secret_reaches_the_log(house: House) -> None:
    """Neither keys that fit nor keys that do not stand in the log."""
    text = house.collector.log.read_text()
    for key in (house.ingest, house.read, house.admin, house.everybodys):
        assert key.split("_")[2] not in text
    assert "Traceback" not in text


def test_keys_change_while_it_runs(tmp_path: Path) -> None:
    """The first key closes the door within a second, a revoked one is out, a broken file changes nothing and shows."""
    folder = tmp_path / "data"
    with running(folder, "--batch-seconds", "0.2") as collector:

        def status(key: str = "") -> int:
            return collector.post("/v1/traces", b"", PROTOBUF | (bearer(key) if key else {})).status_code

        def becomes(code: int, key: str = "") -> None:
            deadline = time.monotonic() + 2.5
            while (now := status(key)) != code:
                assert time.monotonic() < deadline, now
                time.sleep(0.05)

        assert status() == 200
        first = add_key(folder, Scope.ADMIN)
        becomes(401)
        assert status(first) == 200
        second = add_key(folder, Scope.INGEST)
        becomes(200, second)
        good = (folder / keyfile.FILE).read_text()
        (folder / keyfile.FILE).write_text(good[:-30])
        time.sleep(1.1)
        collector.key = first
        assert any("does not read" in reason for reason in collector.health()["reasons"])
        collector.key = ""
        assert collector.health() == {"status": "degraded"}
        assert (status(first), status(second), status()) == (200, 200, 401)
        (folder / keyfile.FILE).write_text(good)
        keyfile.revoke(folder / keyfile.FILE, second.split("_")[1])
        becomes(401, second)
        keyfile.revoke(folder / keyfile.FILE, first.split("_")[1])
        becomes(200)  # on loopback, without keys
        assert collector.health()["reasons"] == []


def test_a_public_address_never_opens(tmp_path: Path) -> None:
    """When the last key is revoked everything is refused, on every port. The key file may lie elsewhere."""
    keys = tmp_path / "mounted"
    key = add_key(keys, Scope.ADMIN)
    with running(tmp_path / "data", "--host", "0.0.0.0", "--keys-file", str(keys / keyfile.FILE)) as collector:
        collector.key = key
        assert collector.post("/v1/traces", b"").status_code == 200
        keyfile.revoke(keys / keyfile.FILE, key.split("_")[1])
        time.sleep(1.2)
        for shown in (key, ""):
            collector.key = shown
            assert collector.post("/v1/traces", b"").status_code == 401
            assert collector.health().keys() == {"status"}
            with pytest.raises(grpc.RpcError) as refused:
                collector.send(traces(span()))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert httpx.post(f"http://{collector.endpoints['sql']}/", content="SELECT 1").status_code == 401
