"""The collector as a whole: the one place that knows every stage; builds, starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Literal

import grpc
import uvicorn
from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from collector import datadir, health, reference_data, tls, unix_socket
from collector.access import row_policies
from collector.access.admission import Admission
from collector.access.doorman import Doorman, presented
from collector.access.keyring import KeyRing
from collector.access.keys import Scope
from collector.access.rates import Rate, Rates
from collector.access.room import Room
from collector.access.tokens import Tokens, Trust
from collector.clickhouse import EMBEDDED_FOLDER, INSERT_SECONDS, ClickHouse, machine_memory, unreachable
from collector.datadir import DataDir, address
from collector.erasure import api as erasure
from collector.erasure.jobs import Jobs
from collector.erasure.paper import Paper
from collector.erasure.worker import Eraser, Surroundings
from collector.errors import Broken, Refused, StartError
from collector.journal import names
from collector.journal.store import Keeping, Store
from collector.journal.writer import Journal, Limits
from collector.load import token_logs
from collector.load.clickhouse_errors import Fate, classify
from collector.load.dead_letters import DeadLetters
from collector.load.loader import Loader
from collector.notes import Notes
from collector.query import api
from collector.query.clickhouse_http import Caps, clickhouse_http_app
from collector.query.reader import reader
from collector.receive import cors, otlp_grpc, otlp_http
from collector.receive.connections import BoundedProtocol, Bounds
from collector.receive.duplicates import Duplicates
from collector.receive.intake import Intake
from collector.receive.json_api import endpoint as json_api
from collector.reporter import Reporter
from collector.request import Sender, Signal
from collector.retention.archive import Archive
from collector.retention.rules import EVER, Rules
from collector.retention.worker import Retention
from collector.schema import dictionaries, migrator
from collector.settings import Settings
from collector.telemetry import Counters, Faults
from collector.telemetry.exposition import Exposition

log = logging.getLogger("collector")

_VITAL = frozenset({"journal", "loader"})  # threads without which nothing acknowledged gets anywhere
_NO_SPANS_OF_ITS_OWN: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
# FastAPI would trace each request where the environment names an endpoint, which may be this collector: without end
_LARGEST_WHOLE = 256 << 20  # bytes of an answer made whole on the SQL port, which is kept twice
_STATEMENT_BYTES = 512 << 20  # that a statement there may take at least, of an engine of twice as much: a 20 MB prompt
_ANSWER_AT_MOST_SECONDS = 20  # for a question under /api
_ANSWER_SECONDS = 5.0  # for an endpoint to refuse a slow request in its own words before the connection is cut


class Collector:
    """One running collector."""

    def __init__(self, settings: Settings) -> None:
        """Take the directory and the ports, open ClickHouse and bring it to the newest schema.

        Raises:
            StartError: one of these is not to be had; nothing is left running.
        """
        self._settings = settings
        self._cluster = settings.cluster
        self._ring = _key_ring(settings)
        self._tls = tls.of_server(settings)
        self._tokens = _tokens(settings)
        self._prices = reference_data.read_prices(settings.model_prices) if settings.model_prices else []
        self._undo = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            self._data = DataDir(settings.data_dir, migrator.newest())
            undo.callback(self._data.close)
            self._http_socket = undo.enter_context(_listen(settings.host, settings.http_port, "--http-port"))
            self._unix_socket: socket.socket | None = None
            if settings.http_socket:
                self._unix_socket = undo.enter_context(unix_socket.listening(settings.http_socket, "--http-socket"))
            self._sql_socket: socket.socket | None = None
            if settings.clickhouse_url is None:
                self._sql_socket = undo.enter_context(_listen(settings.host, settings.sql_port, "--sql-port"))
            self._archive = Archive(self._data.archive, self._data.scratch)
            undo.callback(self._archive.close)
            self._memory_bytes = settings.clickhouse_memory_mib << 20 or machine_memory() // 2
            tokens_lost = self._tokens_lost()
            databases = [self._connect(at_once=False) for _ in range(settings.parallel_loads)]
            database = databases[0]
            for each in databases:
                undo.callback(each.close)
            self._put_off = self._prepare_or_put_off(database)
            self._counters = Counters([each.label for each in Signal])
            self._faults = Faults(self._counters)
            self._doorman = Doorman(self._ring, self._counters, local=settings.is_local)
            self._tenants_read = database.embedded and self._separate_tenants(database)
            store = Store(self._data.journal, _keeping(settings))
            self._loader = Loader(
                databases,
                store,
                self._data.dead_letters,
                self._data.scratch,
                self._counters,
                settings.decode,
                tokens_lost=tokens_lost,
            )
            limits = Limits(settings.batch_items, settings.batch_bytes, settings.batch_seconds)
            self._journal = Journal(store, limits, self._loader, self._on_sync)
            self._known = Duplicates(
                self._data.secret(), settings.duplicate_window_seconds, settings.duplicate_window_requests
            )
            self._intake = Intake(
                self._journal.append,
                settings.max_request_bytes,
                self._counters,
                self._known,
                settings.max_field_bytes,
            )
            self._probe = health.Probe(self._connect, self._counters)
            self._removing()
            self._undo = undo.pop_all()

    def _connect(self, patience_seconds: int = INSERT_SECONDS, *, at_once: bool = True) -> ClickHouse:
        return ClickHouse(
            self._data.path,
            self._settings.server_url,
            memory_bytes=self._memory_bytes,
            patience_seconds=patience_seconds,
            at_once=at_once,
        )

    def _removing(self) -> None:
        """Make what lets rows go: when their time is over, or with the user they are about."""
        lock, connect = threading.Lock(), functools.partial(self._connect, at_once=False)
        keep = self._settings.archive == "on"
        self._jobs = Jobs(self._data.erasures, self._data.audit)
        self._retention = Retention(
            connect,
            self._archive,
            _rules(self._settings),
            lock,
            keep=keep,
            name=self._name,
            waits=lambda: bool(self._jobs.running()),
        )
        paper = Paper(DeadLetters(self._data.dead_letters), self._data.journal)
        around = Surroundings(connect, paper, self._archive, self._loader.gate, lock, self._journal.freeze)
        self._eraser = Eraser(self._jobs, around)

    @property
    def _name(self) -> str:
        """The name of this collector among others, which stays with its data directory."""
        return hashlib.sha256(self._data.secret()).hexdigest()[:16]

    def _start_retention(self) -> None:
        if not self._cluster:
            self._retention.start()
        elif _rules(self._settings).shortest() < EVER:
            log.info(
                'on a cluster nothing is removed for its age and nothing archived: collector/README.md, "Forgetting on '
                'a cluster", has what a DBA runs instead'
            )

    def _admission(self) -> Admission:
        chosen = self._settings
        rates = Rates(self._ring, Rate(chosen.requests_per_second, chosen.bytes_per_second), chosen.burst_seconds)
        return Admission(self._doorman, rates, Room(chosen.memory_limit_mib << 20), chosen.request_seconds)

    def _tokens_lost(self) -> bool:
        """Tell whether ClickHouse may have what waits without knowing its tokens; see that it will know the next ones.

        Raises:
            StartError: the embedded engine's memory of them cannot be mended.
        """
        try:
            torn = token_logs.torn(self._data.path / EMBEDDED_FOLDER)
            lost = self._data.doubts_tokens("" if torn else self._circumstances)
            token_logs.mend(torn)
        except OSError as error:
            raise unreachable(self._data.path, error) from error
        return lost

    @property
    def _circumstances(self) -> str:
        """Where they are others, ClickHouse does not know the tokens of what was sent before."""
        return datadir.decoded_by(self._settings.decode) if self._settings.clickhouse_url else datadir.after_boot()

    def _open(self, database: ClickHouse) -> None:
        """Open the embedded engine with the policies it needed last time: they are read when it opens."""
        self._expected = row_policies.remembered(self._data.policies) if database.embedded else None
        if self._expected:
            with row_policies.config(*self._expected) as config:
                database.reopen(self._data.path, config)

    def _separate_tenants(self, database: ClickHouse) -> bool:
        """Put row policies in force; nobody else may be connected yet. Tell whether they are."""
        wanted = row_policies.tables(database), row_policies.dictionaries(database)
        if wanted != self._expected:
            with row_policies.config(*wanted) as config:
                database.reopen(self._data.path, config)
            row_policies.remember(self._data.policies, *wanted)
        if row_policies.in_force(database):
            return True
        log.warning("row policies are not in force: keys of one tenant cannot ask SQL")
        return False

    def _prepare(self, database: ClickHouse) -> None:
        if count := migrator.migrate(database, cluster=self._cluster):
            log.info("schema: %d migrations applied", count)
        idle = self._settings.session_idle_seconds
        reference_data.write_idle_seconds(database, idle, self._settings.idle_seconds_of_tenant)
        reference_data.write_prices(database, self._prices)
        self._archive.offer(database)
        self._see_to_dictionaries(database)
        self._data.record_format(version("otel-interactions"), migrator.newest(), self._settings.database)

    def _see_to_dictionaries(self, database: ClickHouse) -> None:
        """Have a server's dictionaries ask as the user named for it; say so where they do not answer."""
        if database.embedded:
            return
        if user := self._settings.dictionary_user:
            for statement in dictionaries.asking_as(*user, self._cluster):
                database.command(statement)
        if trouble := dictionaries.trouble(database):
            log.warning("%s; %s", trouble, dictionaries.ADVICE)

    def _prepare_or_put_off(self, database: ClickHouse) -> Callable[[], None] | None:
        """Prepare the database; return how to later, where a server that was there before is away just now.

        Raises:
            StartError: it does not answer, and never has; or see `migrator.migrate`.
        """
        try:
            self._open(database)
            self._prepare(database)
        except (ClickHouseError, OSError) as error:
            served = not database.embedded and self._data.has_served(self._settings.database)
            if not served or classify(error).fate is not Fate.TRANSIENT:
                raise unreachable(self._data.path if database.embedded else None, error) from error
            log.warning("the ClickHouse server does not answer: what comes is journaled, and stored when it is back")
            return functools.partial(self._prepare, database)
        return None

    async def run(self) -> bool:
        """Serve until SIGTERM or SIGINT, then drain; return whether everything acknowledged is in ClickHouse.

        Raises:
            StartError: the gRPC port or socket cannot be opened.
            Broken: a thread ended that acknowledged requests depend on; they are in the journal for the next start.
        """
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._faults.watch(_VITAL, lambda: loop.call_soon_threadsafe(stop.set))
        with self._undo:
            admission = self._admission()
            grpc_server, grpc_port = self._grpc_server(admission)
            self._journal.start(self._known.restore)
            self._count_recovered()
            self._loader.start(self._put_off, lambda: self._data.record_settled(self._circumstances))
            self._probe.start()
            self._eraser.start()
            self._start_retention()
            await grpc_server.start()
            monitor = self._monitor()
            servers = self._http_servers(admission, monitor)
            for server in servers:
                await server.start()
            self._start_reporter(monitor.exposition, loop)
            self._announce(grpc_port)
            await stop.wait()
            log.info("stopping: no new requests, loading what waits")
            await asyncio.gather(grpc_server.stop(grace=5), *(server.stop() for server in servers))
            drained = await asyncio.to_thread(self._drain)
        if self._faults.fatal:
            raise Broken(self._faults.fatal, hint="the traceback is in the log; start it again, nothing is lost")
        return drained

    def _start_reporter(self, exposition: Exposition, loop: asyncio.AbstractEventLoop) -> None:
        def send(body: bytes) -> None:
            asyncio.run_coroutine_threadsafe(self._intake.accept(Signal.METRICS, body, Sender()), loop).result()

        seconds = self._settings.internal_metrics_seconds
        about = {"service.version": version("otel-interactions"), "service.instance.id": self._name}
        self._reporter = Reporter(exposition, send, about, seconds)
        if seconds:
            self._reporter.start()

    def _on_sync(self, seconds: float) -> None:
        self._counters.observe("journal_sync_duration_seconds", seconds)

    def _count_recovered(self) -> None:
        """Count what an earlier process left, which is all that waits before the first request of this one."""
        for each in self._loader.waiting():
            label = names.signal(each.segment)
            self._counters.fate("recovered", each.items, requests=each.requests, signal=label)

    def _grpc_server(self, admission: Admission) -> tuple[grpc.aio.Server, int]:
        chosen = self._settings
        made, port = otlp_grpc.server(
            self._intake,
            admission,
            chosen.host,
            chosen.grpc_port,
            connections=chosen.max_connections,
            tls=self._tls,
        )
        if chosen.grpc_socket:
            bind = functools.partial(otlp_grpc.bind_unix, made)
            self._undo.enter_context(unix_socket.shown(chosen.grpc_socket, "--grpc-socket", bind))
        return made, port

    def _http_servers(self, admission: Admission, monitor: health.Monitor) -> list[_Server]:
        chosen, context = self._settings, self._tls.context if self._tls else None
        app = self._http_app(admission, monitor)
        bounds = Bounds(chosen.max_connections, chosen.request_seconds + _ANSWER_SECONDS)
        servers = [_Server(app, self._http_socket, bounds, context)]
        if self._unix_socket:
            servers.append(_Server(app, self._unix_socket, bounds, None, lifespan="off"))  # the app lives once
        if self._sql_socket:
            servers.append(_Server(self._sql_app(), self._sql_socket, bounds, context))
        return servers

    def _announce(self, grpc_port: int) -> None:
        endpoints = {"grpc": address(self._settings.host, grpc_port), "http": _address(self._http_socket)}
        if self._sql_socket:
            endpoints["sql"] = _address(self._sql_socket)
        certificate = {"certificate": str(self._settings.tls_cert.absolute())} if self._settings.tls_cert else {}
        self._data.record_endpoints(endpoints | certificate)
        log.info("ready %s", " ".join(f"{name}={address}" for name, address in endpoints.items()))

    def _drain(self) -> bool:
        self._reporter.stop()
        self._retention.stop()
        self._eraser.stop()
        self._journal.stop()
        self._loader.stop(self._settings.drain_seconds)
        self._probe.stop()
        left = self._journal.filling()[0] + sum(each.requests for each in self._loader.waiting())
        if left:
            log.warning("stopped: %d requests stay in the journal for the next start", left)
        else:
            log.info("stopped: everything acknowledged is in ClickHouse")
        return not left

    def _sql_app(self) -> Any:
        most = max(self._memory_bytes // 4, min(self._memory_bytes // 2, _STATEMENT_BYTES))
        return clickhouse_http_app(
            str(self._data.path / EMBEDDED_FOLDER),
            caps=Caps(memory_bytes=most, result_bytes=min(_LARGEST_WHOLE, self._memory_bytes // 16)),
            authenticate=lambda key, peer: self._doorman.admit(key, Scope.READ, peer),
            tenants=self._tenants_read,
        )

    def _http_app(self, admission: Admission, monitor: health.Monitor) -> FastAPI:
        app = FastAPI(
            title="otel-interactions collector",
            version=version("otel-interactions"),
            docs_url=None,
            telemetry=_NO_SPANS_OF_ITS_OWN,
        )
        app.router.routes.extend(otlp_http.routes(self._intake, admission))
        app.router.routes.extend(json_api.routes(self._intake, admission))
        app.include_router(health.router(monitor, self._may_read))
        app.include_router(api.routes)
        app.state.query_api = self._query_api()
        app.include_router(erasure.routes)
        door = api.Door(self._doorman, self._tokens)
        app.state.erasure = erasure.Office(
            door, self._jobs, self._eraser, self._data.secret(), on_cluster=bool(self._cluster)
        )
        app.add_exception_handler(HTTPException, otlp_http.refuse_path)
        app.add_exception_handler(Refused, otlp_http.refuse)
        app.add_exception_handler(Exception, otlp_http.fail)
        if self._settings.cors_origins:
            app.add_middleware(CORSMiddleware, **cors.options(self._settings.cors_origins.split(",")))
        return app

    def _query_api(self) -> api.Api:
        path, caps = str(self._data.path / EMBEDDED_FOLDER), Caps(_ANSWER_AT_MOST_SECONDS, self._memory_bytes // 4)
        asked = reader(path, self._settings.server_url, caps)
        self._undo.callback(asked.close)
        notes = Notes(self._connect(at_once=False))
        self._undo.callback(notes.close)
        return api.Api(asked, api.Door(self._doorman, self._tokens), notes.settle)

    def _may_read(self, request: Request) -> bool:
        return self._doorman.knows(presented(request.headers), Scope.READ)

    def _key_problem(self) -> str:
        self._ring.keys()  # a file that broke since is noticed here too
        return self._ring.problem

    def _monitor(self) -> health.Monitor:
        return health.Monitor(
            data=self._data,
            journal=self._journal,
            loader=self._loader,
            age_seconds=names.age_seconds,
            probe=self._probe,
            counters=self._counters,
            faults=self._faults,
            batch_seconds=self._settings.batch_seconds,
            journal_limit=self._settings.journal_max_bytes,
            disk_reserve=self._settings.disk_reserve_bytes,
            refusals=[self._journal.refusing],
            concerns=[self._key_problem, self._eraser.trouble, self._retention.trouble],
        )


def _rules(settings: Settings) -> Rules:
    return Rules(settings.retention_days, settings.days_of_tenant, settings.days_of_type)


def _keeping(settings: Settings) -> Keeping:
    return Keeping(
        limit=settings.journal_max_bytes,
        reserve=settings.disk_reserve_bytes,
        durable=settings.durability == "fsync",
        window=settings.duplicate_window_seconds,
        window_requests=settings.duplicate_window_requests,
    )


class _Server(uvicorn.Server):
    """An HTTP server inside our event loop, on a socket that is already ours; signals stay with the collector."""

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        bounds: Bounds,
        context: ssl.SSLContext | None,
        lifespan: Literal["auto", "off"] = "auto",
    ) -> None:
        protocol: Any = functools.partial(BoundedProtocol, bounds)
        config = uvicorn.Config(
            app,
            log_config=None,
            lifespan=lifespan,
            proxy_headers=False,  # the peer on record is who connected, not who a header says
            timeout_graceful_shutdown=5,
            http=protocol,
        )
        config.load()
        config.ssl = context
        super().__init__(config)
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


def _tokens(settings: Settings) -> Tokens | None:
    """Return who verifies users' tokens, None where nobody does."""
    secret, key = settings.jwt_secret, settings.jwt_public_key
    try:
        pem = key.read_bytes() if key else b""
    except OSError as error:
        raise StartError(
            f"--jwt-public-key {key} cannot be read: {error.strerror}", hint="name a file in PEM"
        ) from error
    trust = Trust(
        secret=secret.get_secret_value() if secret else "",
        public_key=pem,
        jwks_url=settings.jwt_jwks_url,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        tenant_claim=settings.jwt_tenant_claim,
    )
    return Tokens(trust) if trust.secret or trust.public_key or trust.jwks_url else None


def _key_ring(settings: Settings) -> KeyRing:
    ring = KeyRing(settings.key_file)
    if not settings.is_local and not ring.keys():
        raise StartError(
            f"other machines reach {settings.host}, and there are no keys to ask them for",
            hint="make one with `otel-interactions keys add --name NAME`, or listen on 127.0.0.1",
        )
    return ring


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
    return address(*listener.getsockname()[:2])
