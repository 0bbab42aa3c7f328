"""The ClickHouse "server" both collectors insert into: the engine of chDB in a process of its own, measured.

It answers as tests/support/clickhouse_server.py does, but a body goes to a file as it arrives and the engine reads
that, so that next to nothing is spent beside the engine; and what is spent is known, because `replay` inserts the same
bodies without any HTTP.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from clickhouse_server import INSERT, TRANSPORT, Server, quoted
from measure import free_port, until
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.query.questions import Asker

# A server's profile, for inserts without settings. Nothing asked ClickHouse to recognise Rotel's blocks by their hash,
# so it need not spend the time.
PROFILE = {"async_insert": "0", "insert_deduplicate": "0"}
MEMORY = Path("/dev/shm")  # noqa: S108 - bodies pass through memory where there is such a folder


class MeasuredServer(Server):
    """The engine, fed from files; bodies in RowBinary, Rotel's, are kept for `replay`."""

    def __init__(self, path: str, bodies: Path) -> None:
        super().__init__(path)
        self.inserts = 0
        self._bodies = bodies
        self._kept: list[tuple[str, Path, str]] = []
        self._one_at_a_time = threading.Lock()

    def answer(self, parameters: dict[str, str], body: Path) -> bytes:
        """Run a statement; `body` is its data, or belongs to its text."""
        with self._one_at_a_time:
            match = INSERT.match(parameters.get("query", ""))
            if not match:
                return self.run(parameters, body.read_bytes())
            settings = {name: value for name, value in parameters.items() if name not in TRANSPORT} or PROFILE
            clause = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
            into = re.sub(r"(?i)^INSERT INTO (?!otel\.)", "INSERT INTO otel.", match[1])
            self._insert(into, body, rest := f"SETTINGS {clause} FORMAT {match[2]}")
            self.inserts += 1
            if match[2] == "RowBinary":
                kept = self._bodies / f"kept{self.inserts}"
                kept.hardlink_to(body)
                self._kept.append((into, kept, rest))
            return b""

    def replay(self) -> bytes:
        """Insert the kept bodies once more: what this costs, the engine costs, and no HTTP is in it."""
        for insert in self._kept:
            self._insert(*insert)
        return b""

    def _insert(self, into: str, body: Path, rest: str) -> None:
        self.keep_open.query(f"{into} FROM INFILE {quoted(str(body))} {rest}")


def application(data: str, bodies: Path) -> Starlette:
    """Serve the engine."""
    server = MeasuredServer(data, bodies)

    async def endpoint(request: Request) -> Response:
        with tempfile.NamedTemporaryFile(dir=bodies, buffering=0) as body:
            async for chunk in request.stream():
                body.write(chunk)
            try:
                content = await run_in_threadpool(server.answer, dict(request.query_params), Path(body.name))
            except Exception as error:  # noqa: BLE001 - whatever the engine says goes to the client
                code = re.search(r"Code: (\d+)", str(error))
                return Response(str(error), 500, {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})
        return Response(content, headers={"X-ClickHouse-Summary": "{}", "X-ClickHouse-Timezone": "UTC"})

    async def replay(_: Request) -> Response:
        return Response(await run_in_threadpool(server.replay))

    async def inserts(_: Request) -> Response:
        return Response(str(server.inserts))

    return Starlette(
        routes=[
            Route("/replay", replay, methods=["POST"]),
            Route("/inserts", inserts),
            Route("/", endpoint, methods=["GET", "POST"]),
        ]
    )


class Engine:
    """The engine's process, seen from outside, with our schema."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self.url, timeout=600)
        self._asker = Asker(self.url)
        self._bodies = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        command = [sys.executable, __file__, str(folder / "engine"), self._bodies.name, str(port)]
        self.process = subprocess.Popen(command)
        until(self._is_up, 30)
        migrate = [sys.executable, "-m", "collector", "schema", "migrate", "--clickhouse-url", self.url]
        subprocess.run([*migrate, "--data-dir", str(folder / "migrator")], check=True, stdout=subprocess.DEVNULL)

    def _is_up(self) -> bool:
        try:
            return self._http.get("/inserts").is_success
        except httpx.TransportError:
            return False

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Query it."""
        return self._asker.rows(sql)

    def inserts(self) -> int:
        """Return how many inserts it has carried out."""
        return int(self._http.get("/inserts").text)

    def empty(self) -> None:
        """Delete all rows."""
        tables = "SELECT name FROM system.tables WHERE database = 'otel' AND match(engine, 'MergeTree')"
        for row in self.ask(f"{tables} AND name NOT IN ('schema_migrations', 'tenant_settings')"):
            self._http.post("/", content=f"TRUNCATE TABLE otel.{row['name']}").raise_for_status()

    def replay(self) -> None:
        """Let it insert every body of Rotel's once more."""
        self._http.post("/replay").raise_for_status()

    def close(self) -> None:
        """End it."""
        self._http.close()
        self._asker.close()
        self.process.kill()
        self.process.wait()
        self._bodies.cleanup()


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1], Path(sys.argv[2])), port=int(sys.argv[3]), log_level="warning")
