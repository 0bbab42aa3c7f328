"""The HTTP response to a statement that started well: head, body, and what follows when it breaks off."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final, Protocol

from starlette.responses import PlainTextResponse, Response
from starlette.types import Send

from collector.query.clickhouse_http import compression
from collector.query.clickhouse_http.answer import Answer, Engine
from collector.query.clickhouse_http.http_query import HttpQuery
from collector.query.clickhouse_http.query_error import QueryError

log = logging.getLogger(__name__)


def common_headers(engine: Engine, query: HttpQuery) -> dict[str, str]:
    """Return the headers that results and errors share."""
    return {"x-clickhouse-query-id": query.query_id, "x-clickhouse-server-display-name": engine.display_name}


# A result may be a program: no web page is to run one of ours as a script of its own.
_NO_SCRIPT: Final = ("x-content-type-options", "nosniff")


def error_reply(error: QueryError, engine: Engine | None, query: HttpQuery | None) -> Response:
    """Return a response that is nothing but an error.

    Who asked for ClickHouse's frames gets the sentence in one, as from a server, which frames what it says once it has
    read the request; JDBC and clickhouse-go read it so. What is refused at the door (`query` is None) is plain.
    """
    headers = dict([("X-ClickHouse-Exception-Code", str(error.code)), _NO_SCRIPT])
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
    if engine and query:
        headers |= common_headers(engine, query)
    body = error.text(engine.version if engine else "unknown").encode()
    if query and query.framed:
        return Response(compression.frame(body), error.status, headers, "application/octet-stream")
    return PlainTextResponse(body, error.status, headers)


class InThread(Protocol):
    """Runs what takes long, as compressing does, beside the event loop."""

    async def __call__(self, call: Callable[[], bytes]) -> bytes:
        """Return what `call` returns."""


class Reply:
    """One response, on its way."""

    def __init__(
        self,
        engine: Engine,
        query: HttpQuery,
        answer: Answer,
        send: Send,
        *,
        in_thread: InThread,
        progress: Sequence[str],
    ) -> None:
        """Answer a statement that started well; `progress` is how far it was, from time to time."""
        self._engine = engine
        self._query = query
        self._answer = answer
        self._send = send
        self._tag = secrets.token_hex(8)  # 16 characters, as ClickHouse makes them
        self._in_thread = in_thread
        self._progress = progress
        self._encoding = query.encoding
        self._packer = compression.packer(query.encoding)

    async def whole(self, pieces: list[bytes]) -> None:
        """Send a result that is complete."""
        body = b"".join(pieces)
        if body:  # nothing stays nothing, as from a server: clickhouse-go takes Content-Length 0 for no rows
            body = await self._packed(body, last=True)
        else:
            self._encoding = ""
        await self._head({"content-length": str(len(body))})
        await self._body(body, more=False)

    async def stream(self, held: list[bytes], read: Callable[[Answer], Awaitable[bytes]]) -> None:
        """Send what was held back, then what `read` returns; after an error the response is left incomplete."""
        await self._head({})
        await self._body(await self._packed(b"".join(held)), more=True)
        try:
            while piece := await read(self._answer):
                await self._body(await self._packed(piece), more=True)
        except QueryError as error:
            log.debug("%s broke off: %s", self._query.query_id, error.message)
            await self._body(self._encoded(self._exception(error), last=True), more=True)
            return
        await self._body(await self._packed(b"", last=True), more=False)

    async def _head(self, more: dict[str, str]) -> None:
        answer, query = self._answer, self._query
        headers = {
            "content-type": answer.content_type,
            "x-clickhouse-summary": json.dumps(answer.summary(), separators=(",", ":")),
            "x-clickhouse-format": answer.format,
            "x-clickhouse-timezone": answer.timezone,
            "x-clickhouse-exception-tag": self._tag,
        } | more
        if self._encoding:
            headers["content-encoding"] = self._encoding
        headers |= common_headers(self._engine, query)
        pairs = [("x-clickhouse-progress", line) for line in self._progress] + [*headers.items(), _NO_SCRIPT]
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in pairs]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _packed(self, data: bytes, *, last: bool = False) -> bytes:
        if not (data or last) or not (self._packer or self._query.framed):
            return data
        return await self._in_thread(
            lambda: self._encoded(compression.frames(data) if self._query.framed else data, last)
        )

    def _encoded(self, data: bytes, last: bool) -> bytes:
        if self._packer is None:
            return data
        packed = self._packer.compress(data)
        return packed + self._packer.flush() if last else packed

    def _exception(self, error: QueryError) -> bytes:
        message = error.text(self._engine.version).encode()
        tag = self._tag.encode()
        said = b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, message, len(message), tag)
        # clickhouse-go looks for it in what comes over the wire, JDBC in what it unpacked.
        return compression.frame(said, readable=True) if self._query.framed else said
