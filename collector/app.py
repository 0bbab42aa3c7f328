"""The collector as a whole: the one place that knows every stage; builds, starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from collector.access import row_policies
from collector.access.admission import Admission
from collector.access.doorman import Doorman, presented
from collector.access.keyring import KeyRing
from collector.access.keys import Scope
from collector.access.rates import Rate, Rates
from collector.access.room import Room
from collector.clickhouse import EMBEDDED_FOLDER, ClickHouse
from collector.datadir import DataDir
from collector.errors import Refused, StartError
from collector.journal import segment
from collector.journal.writer import Journal, Limits
from collector.load.loader import Loader
from collector.query.clickhouse_http import clickhouse_http_app
from collector.receive import otlp_grpc, otlp_http
from collector.receive.connections import BoundedProtocol, Bounds
from collector.receive.intake import Intake
from collector.schema import migrator
from collector.settings import Settings
from collector.telemetry import Counters

log = logging.getLogger("collector")

_LATE_SECONDS = 10.0  # nothing waits that long unless ClickHouse does not take it
_ANSWER_SECONDS = 5.0  # for an endpoint to refuse a slow request in its own words before the connection is cut


class Status(BaseModel):
    """What everybody may know of how the collector is doing."""

    status: str = Field(description="healthy, or degraded: still accepting, but ClickHouse does not keep up")


class Health(Status):
    """How the collector is doing."""

    queue_depth: int = Field(description="acknowledged requests that ClickHouse does not have yet")
    segments: int = Field(description="frozen journal segments that wait to be loaded")
    oldest_unsaved_seconds: float = Field(description="age of the oldest acknowledged request not yet in ClickHouse")
    dead_letters: int = Field(description="requests set aside since the start because ClickHouse cannot store them")
    key_problem: str = Field(
        description="why the key file does not read, the last keys that did are in force; or empty"
    )
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
        self._ring = _key_ring(settings)
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
            self._doorman = Doorman(self._ring, self._counters, local=settings.is_local)
            self._tenants_read = database.embedded and _separate_tenants(database, self._data.path)
            self._loader = Loader(database, segment.read, self._data.dead_letters, self._counters)
            limits = Limits(settings.batch_items, settings.batch_bytes, settings.batch_seconds)
            self._journal = Journal(self._data.journal, limits, self._loader)
            self._intake = Intake(self._journal.append, settings.max_request_bytes, self._counters)
            self._undo = undo.pop_all()

    def _admission(self) -> Admission:
        chosen = self._settings
        rates = Rates(self._ring, Rate(chosen.requests_per_second, chosen.bytes_per_second), chosen.burst_seconds)
        return Admission(self._doorman, rates, Room(chosen.memory_limit_mib << 20), chosen.request_seconds)

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
            admission, chosen = self._admission(), self._settings
            grpc_server, grpc_port = otlp_grpc.server(
                self._intake, admission, chosen.host, chosen.grpc_port, chosen.max_connections
            )
            self._journal.start()
            self._loader.start()
            await grpc_server.start()
            bounds = Bounds(chosen.max_connections, chosen.request_seconds + _ANSWER_SECONDS)
            servers = [_Server(self._http_app(admission), self._http_socket, bounds)]
            if self._sql_socket:
                servers.append(_Server(self._sql_app(), self._sql_socket, bounds))
            for server in servers:
                await server.start()
            self._announce(grpc_port)
            await stop.wait()
            log.info("stopping: no new requests, loading what waits")
            await asyncio.gather(grpc_server.stop(grace=5), *(server.stop() for server in servers))
            return await asyncio.to_thread(self._drain)

    def _announce(self, grpc_port: int) -> None:
        endpoints = {"grpc": otlp_grpc.address(self._settings.host, grpc_port), "http": _address(self._http_socket)}
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

    def _sql_app(self) -> Any:
        return clickhouse_http_app(
            str(self._data.path / EMBEDDED_FOLDER),
            authenticate=lambda key, peer: self._doorman.admit(key, Scope.READ, peer),
            tenants=self._tenants_read,
        )

    def _http_app(self, admission: Admission) -> FastAPI:
        app = FastAPI(title="otel-interactions collector", version=version("otel-interactions"), docs_url=None)
        app.router.routes.extend(otlp_http.routes(self._intake, admission))
        app.add_api_route("/health", self._health_for, methods=["GET"], response_model=Health | Status)
        app.add_exception_handler(HTTPException, otlp_http.refuse_path)
        app.add_exception_handler(Refused, otlp_http.refuse)
        return app

    async def _health_for(self, request: Request) -> Health | Status:
        """Say how the collector is doing: all of it to who may read, whether it is well to everybody."""
        health = await self.health()
        known = self._doorman.knows(presented(request.headers), Scope.READ)
        return health if known else Status(status=health.status)

    async def health(self) -> Health:
        """Say how the collector is doing."""
        self._ring.keys()  # a file that broke since is noticed here too
        waiting = self._loader.waiting()
        filling, age = self._journal.filling()
        if waiting:
            age = max(age, segment.age_seconds(waiting[0].segment))
        counters = self._counters.snapshot()
        late = age > self._settings.batch_seconds + _LATE_SECONDS
        return Health(
            status="degraded" if late or self._loader.last_error or self._ring.problem else "healthy",
            queue_depth=filling + sum(each.requests for each in waiting),
            segments=len(waiting),
            oldest_unsaved_seconds=round(age, 3),
            dead_letters=counters.get("requests_dead", 0),
            key_problem=self._ring.problem,
            last_error=self._loader.last_error,
            counters=counters,
        )


class _Server(uvicorn.Server):
    """An HTTP server inside our event loop, on a socket that is already ours; signals stay with the collector."""

    def __init__(self, app: Any, listener: socket.socket, bounds: Bounds) -> None:
        protocol: Any = functools.partial(BoundedProtocol, bounds)
        super().__init__(
            uvicorn.Config(app, log_config=None, lifespan="auto", timeout_graceful_shutdown=5, http=protocol)
        )
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


def _key_ring(settings: Settings) -> KeyRing:
    ring = KeyRing(settings.key_file)
    if not settings.is_local and not ring.keys():
        raise StartError(
            f"other machines reach {settings.host}, and there are no keys to ask them for",
            hint="make one with `otel-interactions keys add --name NAME`, or listen on 127.0.0.1",
        )
    return ring


def _separate_tenants(database: ClickHouse, data_dir: Path) -> bool:
    """Put row policies in force; nobody else may be connected yet. Tell whether they are."""
    with row_policies.config(row_policies.tables(database)) as config:
        database.reopen(data_dir, config)
    if row_policies.in_force(database):
        return True
    log.warning("row policies are not in force: keys of one tenant cannot ask SQL")
    return False


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
