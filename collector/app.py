"""The collector as a whole: the one place that knows every stage; builds, starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from collector.clickhouse import EMBEDDED_FOLDER, ClickHouse
from collector.datadir import DataDir
from collector.errors import StartError
from collector.journal import segment
from collector.journal.writer import Journal, Limits
from collector.load.loader import Loader
from collector.query.clickhouse_http import clickhouse_http_app
from collector.receive import otlp_grpc, otlp_http
from collector.receive.intake import Intake
from collector.schema import migrator
from collector.settings import Settings
from collector.telemetry import Counters

log = logging.getLogger("collector")

_LATE_SECONDS = 10.0  # nothing waits that long unless ClickHouse does not take it


class Health(BaseModel):
    """How the collector is doing."""

    status: str = Field(description="healthy, or degraded: still accepting, but ClickHouse does not keep up")
    queue_depth: int = Field(description="acknowledged requests that ClickHouse does not have yet")
    segments: int = Field(description="frozen journal segments that wait to be loaded")
    oldest_unsaved_seconds: float = Field(description="age of the oldest acknowledged request not yet in ClickHouse")
    dead_letters: int = Field(description="requests set aside since the start because ClickHouse cannot store them")
    last_error: str = Field(description="what ClickHouse said at the last failed try; empty once it works again")
    counters: dict[str, int] = Field(description="fate of every request since the start")


class Collector:
    """One running collector."""

    def __init__(self, settings: Settings) -> None:
        """Take the directory and the ports, open ClickHouse and bring it to the newest schema.

        Raises:
            StartError: one of these is not to be had; nothing is left running.
        """
        self._settings = settings
        self._undo = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            self._data = DataDir(settings.data_dir, migrator.newest())
            undo.callback(self._data.close)
            self._http_socket = undo.enter_context(_listen(settings.host, settings.http_port, "--http-port"))
            self._sql_socket: socket.socket | None = None
            if settings.clickhouse_url is None:
                self._sql_socket = undo.enter_context(_listen(settings.host, settings.sql_port, "--sql-port"))
            url = settings.clickhouse_url
            database = ClickHouse(self._data.path, url.get_secret_value() if url else None)
            undo.callback(database.close)
            self._prepare(database)
            self._counters = Counters()
            self._loader = Loader(
                database,
                segment.read,
                self._data.dead_letters,
                self._data.scratch,
                self._counters,
                settings.decode,
            )
            limits = Limits(settings.batch_items, settings.batch_bytes, settings.batch_seconds)
            self._journal = Journal(self._data.journal, limits, self._loader)
            self._intake = Intake(self._journal.append, settings.max_request_bytes, self._counters)
            self._undo = undo.pop_all()

    def _prepare(self, database: ClickHouse) -> None:
        if count := migrator.migrate(database):
            log.info("schema: %d migrations applied", count)
        idle = self._settings.session_idle_seconds
        database.command(f"INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', {idle:f})")  # noqa: S608 - a float
        self._data.record_format(version("otel-interactions"), migrator.newest())

    async def run(self) -> bool:
        """Serve until SIGTERM or SIGINT, then drain; return whether everything acknowledged is in ClickHouse.

        Raises:
            StartError: the gRPC port cannot be opened.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with self._undo:
            grpc_server, grpc_port = otlp_grpc.server(self._intake, self._settings.host, self._settings.grpc_port)
            self._journal.start()
            self._loader.start()
            await grpc_server.start()
            servers = [_Server(self._http_app(), self._http_socket)]
            if self._sql_socket:
                path = str(self._data.path / EMBEDDED_FOLDER)
                servers.append(_Server(clickhouse_http_app(path), self._sql_socket))
            for server in servers:
                await server.start()
            self._announce(grpc_port)
            await stop.wait()
            log.info("stopping: no new requests, loading what waits")
            await asyncio.gather(grpc_server.stop(grace=5), *(server.stop() for server in servers))
            return await asyncio.to_thread(self._drain)

    def _announce(self, grpc_port: int) -> None:
        endpoints = {"grpc": f"{self._settings.host}:{grpc_port}", "http": _address(self._http_socket)}
        if self._sql_socket:
            endpoints["sql"] = _address(self._sql_socket)
        self._data.record_endpoints(endpoints)
        log.info("ready %s", " ".join(f"{name}={address}" for name, address in endpoints.items()))

    def _drain(self) -> bool:
        self._journal.stop()
        drained = self._loader.stop(self._settings.drain_seconds)
        if drained:
            log.info("stopped: everything acknowledged is in ClickHouse")
        else:
            log.warning("stopped: %d segments stay in the journal for the next start", len(self._loader.waiting()))
        return drained

    def _http_app(self) -> FastAPI:
        app = FastAPI(title="otel-interactions collector", version=version("otel-interactions"), docs_url=None)
        app.router.routes.extend(otlp_http.routes(self._intake))
        app.add_api_route("/health", self.health, methods=["GET"], response_model=Health)
        app.add_exception_handler(HTTPException, otlp_http.refuse_path)
        return app

    async def health(self) -> Health:
        """Say how the collector is doing."""
        waiting = self._loader.waiting()
        filling, age = self._journal.filling()
        if waiting:
            age = max(age, segment.age_seconds(waiting[0].segment))
        counters = self._counters.snapshot()
        late = age > self._settings.batch_seconds + _LATE_SECONDS
        return Health(
            status="degraded" if late or self._loader.last_error else "healthy",
            queue_depth=filling + sum(each.requests for each in waiting),
            segments=len(waiting),
            oldest_unsaved_seconds=round(age, 3),
            dead_letters=counters.get("requests_dead", 0),
            last_error=self._loader.last_error,
            counters=counters,
        )


class _Server(uvicorn.Server):
    """An HTTP server inside our event loop, on a socket that is already ours; signals stay with the collector."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, lifespan="auto", timeout_graceful_shutdown=5))
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def start(self) -> None:
        self._task = asyncio.create_task(self.serve(sockets=[self._listener]))
        while not self.started:
            if self._task.done():
                self._task.result()
                raise StartError("an HTTP server ended while it started")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.should_exit = True
        await self._task


def _listen(host: str, port: int, flag: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise StartError(
            f"port {port} on {host} cannot be opened: {(error.strerror or str(error)).lower()}",
            hint=f"stop the program that holds it, or choose another with {flag} (0 picks a free one)",
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
