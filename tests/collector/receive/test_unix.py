"""OTLP over Unix sockets, beside the ports."""

from __future__ import annotations

import secrets
import socket
import stat
from pathlib import Path

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess, running
from warm import run


def peers(collector: CollectorProcess, name: str) -> list[str]:
    """Return the peers on record of the spans of this name."""
    collector.wait_until_stored()
    found = collector.ask(f"SELECT Peer AS peer FROM otel.otel_traces WHERE SpanName = '{name}'")
    return [row["peer"] for row in found]


def test_grpc(small: CollectorProcess) -> None:
    """OTLP/gRPC over its socket: stored, and the row says that it came that way."""
    path, name = small.data_dir.parent / "grpc", secrets.token_hex(8)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with grpc.insecure_channel(f"unix:{path}") as channel:
        TraceServiceStub(channel).Export(traces(span(name)), timeout=30)
    assert peers(small, name) == ["unix"]


def test_http(small: CollectorProcess) -> None:
    """HTTP over its socket: OTLP, and whatever else the port serves."""
    path, name = small.data_dir.parent / "http", secrets.token_hex(8)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://x") as client:
        body = traces(span(name)).SerializeToString()
        assert client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
        assert client.get("/health").json()["status"] == "healthy"
        assert client.post("/v1/traces", content=b"\xff", headers=PROTOBUF).status_code == 400
    assert peers(small, name) == ["unix"]


def test_the_ports_go_on(small: CollectorProcess) -> None:
    """The ports serve beside the sockets, and their rows name an address."""
    name = secrets.token_hex(8)
    small.send(traces(span(name)))
    assert peers(small, name) == ["127.0.0.1"]


def test_gone_at_the_end_and_after_a_crash(tmp_path: Path) -> None:
    """SIGTERM removes both sockets; what a kill leaves behind does not stop the next start."""
    paths = [tmp_path / "grpc", tmp_path / "http"]
    flags = ["--grpc-socket", str(paths[0]), "--http-socket", str(paths[1])]
    with running(tmp_path / "data", *flags) as collector:
        collector.kill()
        assert all(path.is_socket() for path in paths)
        collector.start()
        with grpc.insecure_channel(f"unix:{paths[0]}") as channel:
            TraceServiceStub(channel).Export(traces(span()), timeout=30)
        assert collector.stop() == 0
    assert not any(path.exists() for path in paths)


def test_in_use(tmp_path: Path) -> None:
    """A socket somebody listens at: exit 2 with one sentence that names it and the flag, and he goes on listening."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
        owner.listen()
        flags = ["--grpc-port", "0", "--http-port", "0", "--sql-port", "0", "--log-level", "warning"]
        done = run(["serve", "--data-dir", str(tmp_path / "data"), "--grpc-socket", str(path), *flags])
        with socket.socket(socket.AF_UNIX) as probe:
            assert probe.connect_ex(str(path)) == 0
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert str(path) in line
    assert "--grpc-socket" in line
