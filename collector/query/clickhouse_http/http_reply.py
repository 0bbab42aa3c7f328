"""The HTTP response to a statement that started well: head, body, and what follows when it breaks off."""

from __future__ import annotations

import json
import logging
import secrets
import zlib
from collections.abc import Awaitable, Callable

from starlette.types import Send

from collector.query.clickhouse_http.answer import Answer, Engine
from collector.query.clickhouse_http.http_query import HttpQuery
from collector.query.clickhouse_http.query_error import QueryError

log = logging.getLogger(__name__)


def exception_headers(error: QueryError) -> dict[str, str]:
    """Return the headers of a response that is nothing but an error."""
    challenge = {"WWW-Authenticate": 'Basic realm="ClickHouse server HTTP API"'} if error.status == 401 else {}  # noqa: PLR2004
    return {"X-ClickHouse-Exception-Code": str(error.code)} | challenge


class Reply:
    """One response, on its way."""

    def __init__(self, engine: Engine, query: HttpQuery, answer: Answer, send: Send) -> None:
        self._engine = engine
        self._query = query
        self._answer = answer
        self._send = send
        self._tag = secrets.token_hex(8)  # 16 characters, as ClickHouse makes them
        self._squeeze = zlib.compressobj(level=3, wbits=zlib.MAX_WBITS | 16) if query.gzip else None

    async def whole(self, pieces: list[bytes]) -> None:
        """Send a result that is complete."""
        body = self._packed(b"".join(pieces), last=True)
        await self._head({"content-length": str(len(body))})
        await self._body(body, more=False)

    async def stream(self, held: list[bytes], read: Callable[[Answer], Awaitable[bytes]]) -> None:
        """Send what was held back, then what `read` returns; after an error the response is left incomplete."""
        await self._head({})
        await self._body(self._packed(b"".join(held)), more=True)
        try:
            while piece := await read(self._answer):
                await self._body(self._packed(piece), more=True)
        except QueryError as error:
            log.debug("%s broke off: %s", self._query.query_id, error.message)
            await self._body(self._packed(self._exception(error), last=True), more=True)
            return
        await self._body(self._packed(b"", last=True), more=False)

    async def _head(self, more: dict[str, str]) -> None:
        answer, query = self._answer, self._query
        headers = {
            "content-type": answer.content_type,
            "x-clickhouse-summary": json.dumps(answer.summary(), separators=(",", ":")),
            "x-clickhouse-server-display-name": self._engine.display_name,
            "x-clickhouse-query-id": query.query_id,
            "x-clickhouse-format": answer.format,
            "x-clickhouse-timezone": answer.timezone,
            "x-clickhouse-exception-tag": self._tag,
        } | more
        if self._squeeze:
            headers["content-encoding"] = "gzip"
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _packed(self, data: bytes, *, last: bool = False) -> bytes:
        if self._squeeze is None:
            return data
        packed = self._squeeze.compress(data)
        return packed + self._squeeze.flush() if last else packed

    def _exception(self, error: QueryError) -> bytes:
        message = error.text(self._engine.version).encode()
        tag = self._tag.encode()
        return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, message, len(message), tag)
