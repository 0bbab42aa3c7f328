"""Puts our own SQL to ClickHouse for one viewer: read only, bounded in time and memory, the values bound as parameters.

Embedded, a statement has a connection of its own in this process; with a server it goes over the HTTP interface.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
import orjson

from collector.clickhouse import quoted
from collector.errors import CollectorError
from collector.query.clickhouse_http.embedded import Control, Session
from collector.query.clickhouse_http.query_error import QueryError
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.questions import SERVER_SETTINGS, written
from collector.query.viewer import Viewer

DATABASE: Final = "otel"
LARGEST: Final = 64 << 20
"""Bytes of an answer that is read as a whole."""
_CODE = re.compile(r"Code: (\d+)\.")
_NAME = re.compile(r"\(([A-Z_]+)\)")


class AskedTooMuchError(CollectorError):
    """The answer would take longer, or more memory, than one may."""


class AwayError(CollectorError):
    """ClickHouse does not answer just now."""


_TOO_MUCH: Final = frozenset(
    {"TIMEOUT_EXCEEDED", "TOO_SLOW", "MEMORY_LIMIT_EXCEEDED", "TOO_MANY_ROWS_OR_BYTES", "TOO_MANY_SIMULTANEOUS_QUERIES"}
)


@dataclass(frozen=True, slots=True)
class Span:
    """From when, and before when, spans are looked for, nanoseconds since 1970.

    Where it is known beforehand, ClickHouse opens the parts of some days and not of all.
    """

    since: int
    until: int

    def condition(self) -> str:
        """Return it as a condition on `otel_traces`."""
        return (
            f"Timestamp >= fromUnixTimestamp64Nano({self.since}) AND Timestamp < fromUnixTimestamp64Nano({self.until})"
        )


class Reader(Protocol):
    """Asks ClickHouse. Every method may be called by several threads at once."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any], viewer: Viewer, within: Span | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of an answer.

        Raises:
            AskedTooMuchError: it would take too long or too much memory.
            AwayError: ClickHouse does not answer.
        """

    def whole(
        self, sql: str, output_format: str, parameters: Mapping[str, Any], viewer: Viewer, within: Span | None = None
    ) -> bytes:
        """Return an answer in a ClickHouse format, `LARGEST` bytes at most.

        Raises:
            AskedTooMuchError: it would take too long or too much memory, or is larger.
            AwayError: ClickHouse does not answer.
        """

    def close(self) -> None:
        """Give back what it holds."""


def _settings(caps: Caps, viewer: Viewer, within: Span | None) -> dict[str, str]:
    conditions = viewer.conditions()
    if within:
        found = filter(None, (conditions.get("otel_traces"), within.condition()))
        conditions["otel_traces"] = " AND ".join(found)
    # A shard of a cluster reads X_local for X, and is told by that name too; names that are none do nothing.
    named = {name: each for table, each in conditions.items() for name in (table, f"{table}_local")}
    tables = ", ".join(f"{quoted(f'{DATABASE}.{name}')}: {quoted(each)}" for name, each in named.items())
    shape = {"format_csv_null_representation": ""}  # \N is ClickHouse's own; no other program reads it as nothing
    return caps.settings() | shape | ({"additional_table_filters": f"{{{tables}}}"} if conditions else {})


class EmbeddedReader:
    """Asks the engine in this process."""

    def __init__(self, data_path: str, caps: Caps) -> None:
        """Join the engine that this process has open at `data_path`."""
        self._path, self._caps = data_path, caps
        self._control = Control(data_path)

    def rows(
        self, sql: str, parameters: Mapping[str, Any], viewer: Viewer, within: Span | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of an answer; see `Reader`."""
        with _sentences(), self._session(viewer, within) as session:
            answer = session.result(sql, "JSONEachRow", _texts(parameters), limit=self._caps.result_bytes)
        return [orjson.loads(line) for line in answer.data.splitlines()]

    def whole(
        self, sql: str, output_format: str, parameters: Mapping[str, Any], viewer: Viewer, within: Span | None = None
    ) -> bytes:
        """Return an answer in a ClickHouse format; see `Reader`."""
        with _sentences(), self._session(viewer, within) as session:
            return session.result(sql, output_format, _texts(parameters), limit=LARGEST).data

    @contextlib.contextmanager
    def _session(self, viewer: Viewer, within: Span | None) -> Iterator[Session]:
        session = Session(self._path)
        try:
            session.set(_settings(self._caps, viewer, within) | {"readonly": "1"})
            yield session
        finally:
            session.close()

    def close(self) -> None:
        """Leave the engine."""
        self._control.close()


class ServerReader:
    """Asks a ClickHouse server over its HTTP interface."""

    def __init__(self, url: str, caps: Caps) -> None:
        """Take `http(s)://[user:password@]host:port`; nothing is asked yet."""
        parts = urlsplit(url)
        address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", "", ""))
        headers = {"X-ClickHouse-User": unquote(parts.username)} if parts.username else {}
        if parts.password:
            headers["X-ClickHouse-Key"] = unquote(parts.password)
        patience = httpx.Timeout(caps.seconds + 10, connect=5)
        self._caps = caps
        self._http = httpx.Client(base_url=address, headers=headers, timeout=patience, trust_env=False)

    def rows(
        self, sql: str, parameters: Mapping[str, Any], viewer: Viewer, within: Span | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of an answer; see `Reader`."""
        with self._reply(sql, "JSONEachRow", parameters, _settings(self._caps, viewer, within)) as reply:
            return [orjson.loads(line) for line in reply.read().splitlines()]

    def whole(
        self, sql: str, output_format: str, parameters: Mapping[str, Any], viewer: Viewer, within: Span | None = None
    ) -> bytes:
        """Return an answer in a ClickHouse format; see `Reader`."""
        settings = _settings(self._caps, viewer, within)
        # Else a statement that fails on the way has said 200 already.
        settings |= {"wait_end_of_query": "1", "max_result_bytes": str(LARGEST)}
        with self._reply(sql, output_format, parameters, settings) as reply:
            return reply.read()

    @contextlib.contextmanager
    def _reply(
        self, sql: str, output_format: str, parameters: Mapping[str, Any], settings: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        query = {
            "default_format": output_format,
            "readonly": "2",  # 1 would take no settings beside it
            "cancel_http_readonly_queries_on_client_close": "1",
            "query_id": str(uuid.uuid4()),
            **SERVER_SETTINGS,
            **settings,
            **{f"param_{name}": text for name, text in _texts(parameters).items()},
        }
        with _sentences(), self._http.stream("POST", "", params=query, content=sql.encode()) as reply:
            if reply.status_code != httpx.codes.OK:
                raise _told(reply.read().decode(errors="replace"))
            yield reply

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def reader(data_path: str, url: str | None, caps: Caps) -> Reader:
    """Return who asks the server at `url`, or the engine in this process at `data_path`."""
    return ServerReader(url, caps) if url else EmbeddedReader(data_path, caps)


def _texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: written(value) for name, value in parameters.items()}


def _told(message: str) -> QueryError:
    code, name = _CODE.search(message), _NAME.findall(message)
    return QueryError(int(code[1]) if code else 0, name[-1] if name else "UNKNOWN", message.strip())


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise AwayError(f"ClickHouse does not answer: {error}", hint="try again in a moment") from error
    except QueryError as error:
        if error.name in _TOO_MUCH:
            raise AskedTooMuchError(
                f"the answer takes more than one may ({error.name})", hint="ask about a shorter time, or for less"
            ) from error
        raise
