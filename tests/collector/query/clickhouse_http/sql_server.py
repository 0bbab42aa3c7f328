"""A process that serves the SQL port over a data directory it fills first; prints its port when it listens."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

import chdb
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from collector.access import row_policies
from collector.errors import Unauthenticated
from collector.query.clickhouse_http import clickhouse_http_app
from collector.query.clickhouse_http.query_settings import Caps
from collector.request import Sender

TABLES = """
CREATE DATABASE otel
CREATE TABLE otel.words (id UInt64, word String, kind LowCardinality(String)) ENGINE = MergeTree ORDER BY id
INSERT INTO otel.words SELECT number, 'word' || toString(number), ['noun', 'verb'][number % 2 + 1] FROM numbers(1000)
CREATE TABLE otel.`odd/name` (a UInt8) ENGINE = MergeTree ORDER BY a
CREATE VIEW otel.nouns AS SELECT * FROM otel.words WHERE kind = 'noun'
"""


# Of tenants; its index keeps values, and is large enough to be asked.
OWNED = """
CREATE TABLE otel.owned (tenant String, text String, INDEX kept text TYPE set(9)) ENGINE = MergeTree ORDER BY tenant
INSERT INTO otel.owned SELECT if(number < 50000, 'a', 'b'), if(number < 50000, '17', 'hush') FROM numbers(100000)
"""


def admitted(given: str, key: str, peer: str) -> Sender:
    """Let in who has the key, to read everything, and `tenant-a`."""
    if given not in {key, "tenant-a"}:
        raise Unauthenticated("the key is not valid")
    return Sender(tenant="*" if given == key else "a", key="reader", peer=peer)


def main(data_path: str, key: str, seconds: str) -> None:
    """Serve until killed. With a key, only who knows it may read."""
    path = os.path.realpath(data_path)
    if key:
        with row_policies.config([row_policies.Table("owned", "tenant", is_view=False)]) as config:
            engine = chdb.connect(f"{path}?config-file={config}")
    else:
        engine = chdb.connect(path)
    for statement in (TABLES + (OWNED if key else "")).strip().splitlines():
        engine.query(statement)
    app = clickhouse_http_app(
        data_path,
        tenants=bool(key),
        caps=Caps(seconds=int(seconds), memory_bytes=256 << 20, result_bytes=16 << 20),
        authenticate=(lambda given, peer: admitted(given, key, peer)) if key else None,
    )

    def probe(_: Request) -> JSONResponse:
        """Say what the engine is busy with, and who holds connections; not reachable through SQL alone."""
        running = engine.query("SELECT query FROM system.processes WHERE query NOT LIKE '%system.processes%'", "TSVRaw")
        return JSONResponse({"running": running.bytes().decode(), "files": len(list(Path("/proc/self/fd").iterdir()))})

    app.router.routes.append(Route("/probe", probe))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    print(listener.getsockname()[1], flush=True)  # the parent reads it
    logging.basicConfig(level="DEBUG", stream=sys.stderr)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=3))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
