"""A ClickHouse "server" for tests: the embedded engine behind ClickHouse's HTTP interface, in a process of its own.

It stands in for a server that would have to be installed beside the tests; chDB is the same engine. This is as much of
the interface as clickhouse-connect needs to create, insert and read:

    python clickhouse_server.py DATA_DIR PORT [FAULTS] [SHARDS]

FAULTS names a JSON file, read at each insert: `slow` seconds before it, and chances from 0 to 1 that it is refused
before anything happened (`refuse`), that it happens and an error is answered (`lie`), that it happens and the server
dies without an answer (`die`).

SHARDS makes it the only node of a cluster `main` (`a_cluster_of.py` says how far that goes).
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import chdb
import uvicorn
from a_cluster_of import config, statements
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# What the interface itself takes; everything else in the URL is a setting.
TRANSPORT = {
    *("query", "database", "default_format", "client_protocol_version", "session_id", "session_timeout"),
    *("session_check", "compress", "decompress", "wait_end_of_query", "buffer_size", "query_id", "role", "quota_key"),
    *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression"),
}
INSERT = re.compile(r"^\s*(INSERT\s+INTO\s+.*?)\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)


def quoted(text: str) -> str:
    """Write an SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Server:
    """One engine; each request has a connection of its own."""

    def __init__(self, path: str, shards: int) -> None:
        self.shards = shards
        self.path = f"{path}?config-file={config(Path(path), shards)}" if shards else path
        self.keep_open = chdb.connect(self.path)

    def run(self, parameters: dict[str, str], body: bytes) -> bytes:
        """Run one statement."""
        settings = {k: v for k, v in parameters.items() if k not in TRANSPORT and not k.startswith("param_")}
        bound = {k.removeprefix("param_"): v for k, v in parameters.items() if k.startswith("param_")}
        connection = chdb.connect(self.path)
        try:
            if parameters.get("database"):
                connection.query(f"USE `{parameters['database']}`")
            insert = INSERT.match(parameters.get("query", ""))
            if insert:
                return self._insert(connection, insert[1], insert[2], settings, body)
            for name, value in settings.items():
                connection.query(f"SET {name} = {quoted(value)}")
            sql = "\n".join(filter(None, (parameters.get("query", ""), body.decode())))
            answer = None
            for each in statements(sql, self.shards) if self.shards else [sql]:
                answer = connection.query(each, parameters.get("default_format", "TabSeparated"), params=bound)
            return (answer and answer.bytes()) or b""
        finally:
            connection.close()

    def _insert(
        self, connection: chdb.Connection, into: str, form: str, settings: dict[str, str], body: bytes
    ) -> bytes:
        clause = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()) or "max_threads = 1"
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            connection.query(f"{into} FROM INFILE {quoted(file.name)} SETTINGS {clause} FORMAT {form}")
        return b""


class Faults:
    """What shall go wrong, as a file says that a test rewrites."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None

    def now(self) -> dict[str, float]:
        """Return the chances of this moment."""
        return json.loads(self._path.read_text()) if self._path and self._path.exists() else {}


def failed(message: str) -> Response:
    """Answer an error as ClickHouse does."""
    code = re.search(r"Code: (\d+)", message)
    return Response(message, 500, {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})


def application(path: str, faults: Faults, shards: int) -> Starlette:
    """Serve the engine in `path`."""
    server = Server(path, shards)
    one_at_a_time = threading.Lock()

    def answer(parameters: dict[str, str], body: bytes) -> Response:
        wrong = faults.now() if INSERT.match(parameters.get("query", "")) else {}
        time.sleep(wrong.get("slow", 0))
        if random.random() < wrong.get("refuse", 0):
            return failed("Code: 252. DB::Exception: Too many parts")
        with one_at_a_time:
            try:
                content = server.run(parameters, body)
            except Exception as error:  # noqa: BLE001 - whatever the engine says goes to the client
                return failed(str(error))
            if random.random() < wrong.get("die", 0):
                os._exit(1)
            if random.random() < wrong.get("lie", 0):
                return failed("Code: 241. DB::Exception: Memory limit exceeded, after all")
        summary = json.dumps({"read_rows": "0"})
        return Response(content, headers={"X-ClickHouse-Summary": summary, "X-ClickHouse-Timezone": "UTC"})

    async def endpoint(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool  # noqa: PLC0415

        return await run_in_threadpool(answer, dict(request.query_params), await request.body())

    async def ping(_: Request) -> Response:
        return Response("Ok.\n")

    return Starlette(routes=[Route("/ping", ping), Route("/", endpoint, methods=["GET", "POST"])])


if __name__ == "__main__":
    faults_path = sys.argv[3] if len(sys.argv) > 3 else None
    of_shards = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    uvicorn.run(application(sys.argv[1], Faults(faults_path), of_shards), port=int(sys.argv[2]), log_level="warning")
