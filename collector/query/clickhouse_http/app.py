"""The ClickHouse HTTP interface over the embedded engine, read only: for curl, clickhouse-connect and Grafana.

    request -> http_query.py -> answer.py -------------------------------> response
               what is asked    a connection of its own (embedded.py)      status, headers, body
                                limits        query_settings.py
                                three gates   read_only.py
                                blocks        native.py, heads.py      http_reply.py, compression.py

Decisions
- A connection a request (0.5 ms), closed with it: nothing a reader does outlives the request but the settings and the
  database of a session (sessions.py), which are judged again with each request.
- At most `slots` statements run at once, of one key three quarters of that; others wait their turn. A slot is held
  until the last byte is with the client.
- The first MiB of a result (16 with `wait_end_of_query=1`) is held back, as ClickHouse does: a statement that fails
  early gets an honest status, a short one its Content-Length and its full X-ClickHouse-Summary. What is longer is
  streamed block by block; if it fails then, the error follows between `__exception__` marks, as ClickHouse ≥ 25.11
  writes it, and the connection is cut, so that nobody takes half a result for a whole one.
- Formats with a foot (JSON, Parquet, Arrow, Pretty…) are made whole in memory first, up to a cap.
- A client that hangs up, or a stopping server, cancels the statement: `KILL QUERY` by a `log_comment` of ours.
- A key of one tenant reads that tenant's rows: ClickHouse's own row policies see to it (`access/row_policies.py`), and
  the guard closes what they do not know. Where the policies are not in force, such a key reads nothing.
- Without keys, a request must name us by address or as localhost: a web page that lets its own name resolve to
  127.0.0.1 (DNS rebinding) gets nothing. Nor does one that names us: what it could not read it could still time.

What works, what differs from a server, and the test that holds it: README.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from collector.access.keys import ALL_TENANTS
from collector.errors import Forbidden, Unauthenticated
from collector.query.clickhouse_http import http_query
from collector.query.clickhouse_http.answer import Answer, Engine, open_engine
from collector.query.clickhouse_http.http_query import HttpQuery
from collector.query.clickhouse_http.http_reply import Reply, error_reply
from collector.query.clickhouse_http.query_error import QueryError
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.clickhouse_http.sessions import Sessions
from collector.request import Sender

log = logging.getLogger(__name__)

# (key, peer) -> who that is; raises Unauthenticated or Forbidden. Without `Sender.key` nobody was asked for one.
Authenticate = Callable[[str, str], Sender]
Result = TypeVar("Result")

_HELD_BACK: Final = 1 << 20
_HELD_BACK_WAITING: Final = 16 << 20
_MAX_WAITING: Final = 256  # requests that wait for a slot
_GRACE_SECONDS: Final = 30  # for the client to take the last bytes, after the statement's own time
_CANCEL_SECONDS: Final = 0.1
_MOST_PROGRESS: Final = 32  # lines; Node takes 16 KiB of headers
_NOT_FOUND: Final = "There is no handle {}\n\nUse / or /ping for health checks.\n"
_METHODS: Final = ["GET", "HEAD", "POST"]


def clickhouse_http_app(
    data_path: str,
    *,
    database: str = "otel",
    caps: Caps | None = None,
    slots: int = 8,
    authenticate: Authenticate | None = None,
    tenants: bool = False,
    hosts: Collection[str] = (),
) -> Starlette:
    """Return the ASGI application; the engine opens when its lifespan starts and is left when it ends.

    Args:
        data_path: The engine's directory. One per process: the same as every other connection here.
        database: What statements mean that name no database.
        caps: The most one statement may cost.
        slots: How many statements run at once; one key has three quarters of them at most.
        authenticate: Who may read, where keys are asked for; else everybody who reaches the port under an address or
            a name in `hosts`.
        tenants: Whether row policies are in force, so that keys of one tenant may read.
        hosts: Names, besides localhost, under which clients without keys may call.
    """
    endpoint = _Endpoint(data_path, database, caps or Caps(), slots, _Doorman(authenticate, hosts, tenants=tenants))
    return Starlette(
        routes=[
            Route("/", endpoint, methods=_METHODS),
            Route("/ping", _ok, methods=_METHODS),
            Route("/replicas_status", _ok, methods=_METHODS),
        ],
        exception_handlers={404: _no_such_path},
        lifespan=lambda _: endpoint.lifespan(),
    )


def _ok(_: Request) -> Response:
    return PlainTextResponse("Ok.\n")


def _no_such_path(request: Request, _: Exception) -> Response:
    return PlainTextResponse(_NOT_FOUND.format(request.url.path), 404)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who asks."""

    tenant: str = ""  # whose rows they read, "" for everybody's
    key: str = ""  # id of their key


class _Doorman:
    """Decides who may ask."""

    def __init__(self, authenticate: Authenticate | None, hosts: Collection[str], *, tenants: bool) -> None:
        self._authenticate = authenticate
        self._hosts = {"localhost", *hosts}
        self._tenants = tenants

    def admit(self, request: Request) -> _Caller:
        """Return who they are.

        Raises:
            QueryError: they may not ask.
        """
        sender = self._sender(http_query.key_of(request), request.client.host if request.client else "")
        if not sender.key:
            host = request.url.hostname or ""
            if host not in self._hosts and not _is_address(host):
                raise QueryError(497, "ACCESS_DENIED", f"Without keys nobody calls here as {host[:100]}.")
            if request.headers.get("sec-fetch-site") == "cross-site":
                raise QueryError(497, "ACCESS_DENIED", "Without keys no web page of another site calls here.")
            return _Caller()
        if sender.tenant == ALL_TENANTS:
            return _Caller(key=sender.key)
        if not self._tenants:
            raise QueryError(
                497, "ACCESS_DENIED", "Keys of one tenant cannot ask SQL here: row policies are not in force."
            )
        return _Caller(sender.tenant, sender.key)

    def _sender(self, key: str, peer: str) -> Sender:
        if self._authenticate is None:
            return Sender(peer=peer)
        try:
            return self._authenticate(key, peer)
        except Unauthenticated as error:
            raise QueryError(
                516 if key else 194, "AUTHENTICATION_FAILED" if key else "REQUIRED_PASSWORD", str(error)
            ) from None
        except Forbidden as error:
            raise QueryError(497, "ACCESS_DENIED", str(error)) from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Endpoint:
    """Answers statements."""

    def __init__(self, data_path: str, database: str, caps: Caps, slots: int, doorman: _Doorman) -> None:
        self._open = lambda: open_engine(data_path, database, caps)
        self._seconds = caps.seconds + _GRACE_SECONDS
        self._slots = anyio.CapacityLimiter(slots)
        self._shares: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()  # by key, while it asks
        self._threads = anyio.CapacityLimiter(
            3 * slots + 1
        )  # a slot's statement, progress, cancellation; the end of all
        self._doorman = doorman
        self._sessions = Sessions()
        self._running: set[Answer] = set()
        self._engine: Engine | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Hold the engine open; at the end cancel what still runs."""
        self._engine = engine = await self._in_thread(self._open)
        try:
            yield
        finally:
            self._engine = None
            for answer in list(self._running):
                await self._cancel(answer)
            await self._in_thread(engine.control.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        query: HttpQuery | None = None
        with contextlib.suppress(ClientDisconnect):
            try:
                caller = self._doorman.admit(request)
                query = await http_query.read(request)
                if query.given:
                    await self._answer(request, query, caller, send)
                else:
                    await _ok(request)(scope, receive, send)
            except QueryError as error:
                log.debug("refused: %s", error.message)
                await error_reply(error, self._engine, query)(scope, receive, send)

    async def _answer(self, request: Request, query: HttpQuery, caller: _Caller, send: Send) -> None:
        share = self._share_of(caller.key)
        waiting = sum(each.statistics().tasks_waiting for each in (self._slots, *self._shares.values()))
        if waiting >= _MAX_WAITING:
            raise QueryError(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries.")
        reply: Reply | None = None
        with anyio.move_on_after(self._seconds) as time:
            async with share, self._slots, self._started(query, caller, request) as answer:
                held, ended, progress = await self._begun(answer, query)
                reply = Reply(self._opened(), query, answer, send, in_thread=self._in_thread, progress=progress)
                if ended or request.method == "HEAD":
                    await reply.whole(held)
                else:
                    await reply.stream(held, self._read)
        if time.cancelled_caught and reply is None:
            raise QueryError(159, "TIMEOUT_EXCEEDED", f"Timeout exceeded: maximum: {self._seconds} seconds.")
        # A reply that ran out of time stays incomplete: the server cuts the connection.

    def _share_of(self, key: str) -> anyio.CapacityLimiter:
        """Return what bounds the statements of one key: slow readers leave slots to others'."""
        slots = self._slots.total_tokens
        return self._shares.setdefault(key, anyio.CapacityLimiter(max(1, slots * 3 // 4) if key else slots))

    def _opened(self) -> Engine:
        if self._engine is None:
            raise QueryError(236, "ABORTED", "The server is shutting down.")
        return self._engine

    @contextlib.asynccontextmanager
    async def _started(self, query: HttpQuery, caller: _Caller, request: Request) -> AsyncIterator[Answer]:
        with self._sessions.entered(f"{caller.key} {caller.tenant}", query.session) as remembered:
            answer = Answer(self._opened(), query, remembered, caller.tenant)
            self._running.add(answer)
            watch = asyncio.create_task(self._watch(request, answer))
            try:
                yield answer
            finally:
                self._running.discard(answer)
                watch.cancel()
                with anyio.CancelScope(shield=True):
                    await self._in_thread(answer.close)
                log.debug("%s: %d rows, %d bytes", query.query_id, answer.rows, answer.bytes)

    async def _watch(self, request: Request, answer: Answer) -> None:
        """Cancel the statement when the client is gone or has had its time."""
        with anyio.move_on_after(self._seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
        await self._cancel(answer)

    async def _cancel(self, answer: Answer) -> None:
        while answer in self._running:  # again, in case it was about to start
            await self._in_thread(answer.cancel)
            await asyncio.sleep(_CANCEL_SECONDS)

    async def _read(self, answer: Answer) -> bytes:
        return await self._in_thread(answer.read)

    async def _begun(self, answer: Answer, query: HttpQuery) -> tuple[list[bytes], bool, list[str]]:
        """Run a statement until its response can begin; return its first pieces, whether they are all, its progress."""
        progress: list[str] = []
        report = asyncio.create_task(self._report(answer, query.progress_seconds, progress))
        try:
            await self._in_thread(answer.open)
            return *await self._hold_back(answer, query), progress
        finally:
            report.cancel()

    async def _report(self, answer: Answer, every: float, progress: list[str]) -> None:
        while every and len(progress) < _MOST_PROGRESS:
            await asyncio.sleep(every)
            if line := await self._in_thread(answer.progress):
                progress.append(line)

    async def _hold_back(self, answer: Answer, query: HttpQuery) -> tuple[list[bytes], bool]:
        """Return the first pieces of a result, and whether they are all of it."""
        limit = _HELD_BACK_WAITING if query.waits else _HELD_BACK
        held: list[bytes] = []
        size = 0
        while size < limit:
            piece = await self._read(answer)
            if not piece:
                return held, True
            held.append(piece)
            size += len(piece)
        return held, False

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        return await anyio.to_thread.run_sync(call, limiter=self._threads)
