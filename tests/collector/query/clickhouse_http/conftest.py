"""The SQL port in a process of its own: one engine path per process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

SERVER = Path(__file__).with_name("sql_server.py")


@dataclass(frozen=True)
class SqlPort:
    """A running server and a client of it."""

    port: int
    http: httpx.Client
    folder: Path
    pid: int

    def ask(self, sql: str, **settings: str) -> httpx.Response:
        """POST a statement."""
        return self.http.post("/", params=settings, content=sql.encode())

    def text(self, sql: str, **settings: str) -> str:
        """Return the result of a statement that is to succeed."""
        reply = self.ask(sql, **settings)
        assert reply.status_code == 200, reply.text
        return reply.text

    def probe(self) -> dict[str, object]:
        """Return what the engine is busy with."""
        answer: dict[str, object] = self.http.get("/probe").json()
        return answer


@contextlib.contextmanager
def serving(folder: Path, key: str = "", seconds: int = 4) -> Iterator[SqlPort]:
    """Run a server on a fresh data directory, whose statements may take so many seconds."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(SERVER), str(folder / "data"), key, str(seconds)],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
        )
    try:
        assert process.stdout
        port = int(process.stdout.readline() or 0)
        assert port, (folder / "log").read_text()
        transport = httpx.HTTPTransport(retries=3)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=30) as http:
            yield SqlPort(port, http, folder, process.pid)
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="session")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlPort]:
    """One server for all tests."""
    with serving(tmp_path_factory.mktemp("sql")) as port:
        yield port


@pytest.fixture(scope="session")
def locked_sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlPort]:
    """A server that only who has the key `s3cret` may read."""
    with serving(tmp_path_factory.mktemp("locked"), key="s3cret") as port:
        yield port


@pytest.fixture(scope="session")
def patient_sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlPort]:
    """A server that lets a statement run for a minute."""
    with serving(tmp_path_factory.mktemp("patient"), seconds=60) as port:
        port.text("SELECT number, repeat('x', 100) AS text FROM numbers(1000000)")  # has its threads and its caches
        yield port
