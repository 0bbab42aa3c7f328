"""A collector in a process of its own, to be asked, killed and started again."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from prepared import put_database
from warm import USABLE, Forked

from collector import datadir
from collector.access import keyfile, keys
from collector.access.keys import Scope
from collector.query.questions import Asker

START_SECONDS = 60
UNLESS_SAID = {
    "OTEL_INTERACTIONS_RETENTION_DAYS": "0",  # what tests send is of fixed days, long ago
    "OTEL_INTERACTIONS_INTERNAL_METRICS_SECONDS": "0",  # tests count requests
}
PROTOBUF = {"content-type": "application/x-protobuf"}


def plain_client(timeout: float = 30) -> httpx.Client:
    """Make a client for plain HTTP: reading the system's CAs would cost 50 ms each time."""
    return httpx.Client(timeout=timeout, verify=False, trust_env=False)  # noqa: S501 - nothing to verify


class CollectorProcess:
    """`otel-interactions serve` on one data directory and free ports."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        """Nothing runs before `start`."""
        self.data_dir = data_dir
        self.program = ["-m", "collector"]  # what Python runs
        self.flags = flags
        self.log = data_dir.with_suffix(".log")
        self.endpoints: dict[str, str] = {}
        self.key = ""  # to show, once the collector asks for one
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def launch(self, script: Path | None = None) -> None:
        """Start it, through another script where one is given; do not wait until it is ready."""
        (self.data_dir / "endpoints.json").unlink(missing_ok=True)  # left by a kill
        if "--clickhouse-url" not in self.flags:
            put_database(self.data_dir)
        program = [str(script)] if script else self.program
        arguments = ["serve", "--data-dir", str(self.data_dir), *self.flags]
        for port in ("--grpc-port", "--http-port", "--sql-port"):
            if port not in self.flags:
                arguments += [port, "0"]
        environment = UNLESS_SAID | os.environ | {"PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            if USABLE and (program[0] in {"-m", "-c"} or program[0].endswith(".py")):
                self.process = Forked(arguments, log.fileno(), environment, program=program)
            else:
                self.process = subprocess.Popen([sys.executable, *program, *arguments], stderr=log, env=environment)
        atexit.register(self.process.kill)  # where a test fails before it ends it

    def start(self, script: Path | None = None) -> CollectorProcess:
        """Start it and wait until it is ready."""
        self.launch(script)
        assert self.process
        deadline = time.monotonic() + START_SECONDS
        while not (endpoints := datadir.endpoints(self.data_dir)):
            assert self.process.poll() is None, f"the collector ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"the collector is not ready:\n{self.log.read_text()}"
            time.sleep(0.05)
        self.endpoints = endpoints
        return self

    def kill(self) -> None:
        """End it with SIGKILL, as the kernel would."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(timeout=60)

    def send(self, request: ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest) -> None:
        """Send over gRPC; return when it is acknowledged."""
        with grpc.insecure_channel(self.endpoints["grpc"]) as channel:
            key = tuple(self._shown().items())
            if isinstance(request, ExportTraceServiceRequest):
                TraceServiceStub(channel).Export(request, timeout=30, metadata=key)
            elif isinstance(request, ExportLogsServiceRequest):
                LogsServiceStub(channel).Export(request, timeout=30, metadata=key)
            else:
                MetricsServiceStub(channel).Export(request, timeout=30, metadata=key)

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """Send over HTTP."""
        with plain_client() as client:
            return client.post(
                f"http://{self.endpoints['http']}{path}", content=body, headers=self._shown() | (headers or PROTOBUF)
            )

    def health(self) -> dict[str, Any]:
        """Ask how it is."""
        with plain_client() as client:
            answer: dict[str, Any] = client.get(f"http://{self.endpoints['http']}/health", headers=self._shown()).json()
        return answer

    def _shown(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    def ask(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Query what it stored."""
        with contextlib.closing(Asker(f"http://{self.endpoints['sql']}", self.key)) as asker:
            return asker.rows(sql, **parameters)

    def wait_until_stored(self, seconds: float = 90, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until nothing acknowledged is missing in ClickHouse; do something again and again meanwhile."""
        deadline = time.monotonic() + seconds
        while self.health()["queue_depth"]:
            meanwhile()
            assert time.monotonic() < deadline, f"not stored in time: {self.health()}\n{self.log.read_text()}"
            time.sleep(0.05)


@contextlib.contextmanager
def running(data_dir: Path, *flags: str) -> Iterator[CollectorProcess]:
    """Run a collector for the length of a block."""
    collector = CollectorProcess(data_dir, *flags).start()
    try:
        yield collector
    finally:
        if collector.process and collector.process.poll() is None:
            collector.stop()


def add_key(data_dir: Path, *scopes: Scope, tenant: str = "default", **limits: float) -> str:
    """Add a key as the command line does, and return it."""
    key, token = keys.make("test", tenant, frozenset(scopes or {Scope.INGEST}), **limits)
    keyfile.add(data_dir / keyfile.FILE, key)
    return token
