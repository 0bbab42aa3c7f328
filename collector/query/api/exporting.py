"""An export on its way to a client: one of a bounded number, given up when the client is gone or takes no more.

What fails before the first byte is a problem with its status. What fails later cuts the connection, before the end of
the body is announced: no client takes half a file for a whole one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from collector.errors import CollectorError
from collector.query.api import problems
from collector.query.api.problems import NotAnsweredError
from collector.query.export import ALWAYS, Export, Wanted
from collector.query.kinds import MEDIA, TOTAL, Format
from collector.query.reader import Reader
from collector.query.viewer import Viewer

log = logging.getLogger(__name__)

_AT_ONCE: Final = 4  # each holds a slice or two, some tens of MB
_PIECE: Final = 1 << 20  # bytes given to the server at once
_PATIENCE_SECONDS: Final = 60.0  # for a client to take such a piece

Result = TypeVar("Result")
Run = Callable[[Callable[[], Any]], Awaitable[Any]]


class Exports:
    """What is exported just now."""

    def __init__(self, reader: Reader, run: Run) -> None:
        """Ask `reader`, each statement by `run`, which keeps it off the event loop."""
        self._reader, self._run = reader, run
        self.running = 0

    def response(self, viewer: Viewer, wanted: Wanted, output_format: Format) -> Response:
        """Return the response that carries an export."""
        return _Response(self, viewer, wanted, output_format)

    @contextlib.asynccontextmanager
    async def started(self, viewer: Viewer, wanted: Wanted, output_format: Format) -> AsyncIterator[_Download]:
        """Start an export; leave it whenever you like.

        Raises:
            NotAnsweredError: too many run already.
            AskedTooMuchError: it would take too long or too much memory.
            AwayError: ClickHouse does not answer.
        """
        if self.running >= _AT_ONCE:
            raise NotAnsweredError(503, "too many exports run already", hint="try again when one of them has ended")
        self.running += 1
        try:
            export: Export = await self._run(lambda: Export(self._reader, viewer, wanted, output_format))
            yield _Download(export, self._run)
        finally:
            self.running -= 1


class _Download:
    """The bytes of an export, made as they are asked for."""

    def __init__(self, export: Export, run: Run) -> None:
        self.rows = export.rows
        self._pieces, self._run = export.pieces(), run

    async def next(self) -> bytes | None:
        """Return some bytes, None behind the last."""
        found: bytes | None = await self._run(lambda: next(self._pieces, None))
        return found


class _Response(Response):
    """Sends an export."""

    def __init__(self, exports: Exports, viewer: Viewer, wanted: Wanted, output_format: Format) -> None:
        super().__init__()
        self._exports, self._asked = exports, (viewer, wanted, output_format)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or why there is none."""
        begun = False
        try:
            async with self._exports.started(*self._asked) as download:
                first = await download.next()
                begun = True
                with contextlib.suppress(_GoneError):
                    await _Sending(receive, send).all(self._head(download.rows), first, download)
        except CollectorError as error:
            if begun:  # leaving without the last piece makes the server cut the connection
                log.warning("an export broke off: %s", error)
                return
            await problems.told(error)(scope, receive, send)

    def _head(self, rows: int | None) -> dict[str, str]:
        _, wanted, output_format = self._asked
        return {
            "content-type": MEDIA[output_format],
            "content-disposition": f'attachment; filename="{filename(wanted, output_format)}"',
            "cache-control": "no-store",
        } | ({TOTAL: str(rows)} if rows is not None else {})


def filename(wanted: Wanted, output_format: Format) -> str:
    """Return what a file with these rows is called, for instance `interactions_2026-03-01_2026-04-01.csv`."""
    ends = (wanted.span.since, wanted.span.until)
    days = [f"{datetime.fromtimestamp(each / 1e9, UTC):%Y-%m-%d}" for each in ends if 0 < each < ALWAYS.until]
    return "_".join([wanted.what, *days]) + f".{output_format}"


class _GoneError(Exception):
    """The client hung up, or does not read."""


class _Sending:
    """One response, watched."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._gone = False

    async def all(self, headers: dict[str, str], first: bytes | None, download: _Download) -> None:
        """Send the whole of it.

        Raises:
            _GoneError: the client does not take it.
        """
        watch = asyncio.create_task(self._watch())
        try:
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": raw})
            piece = first
            while piece is not None:
                await self._body(piece)
                piece = await download.next()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True

    async def _body(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            with anyio.move_on_after(_PATIENCE_SECONDS) as time:
                await self._send(
                    {"type": "http.response.body", "body": data[start : start + _PIECE], "more_body": True}
                )
            if self._gone or time.cancelled_caught:
                raise _GoneError
