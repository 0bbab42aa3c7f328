"""Connections to the ClickHouse engine inside this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from collector.query.clickhouse_http.query_error import QueryError, from_engine

Result = TypeVar("Result")

_PROGRESS = """
SELECT read_rows, read_bytes, written_rows, written_bytes, total_rows_approx,
    0, 0, toUInt64(elapsed * 1e9), memory_usage
FROM system.processes
"""
_PROGRESS_NAMES = (
    *("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read", "result_rows", "result_bytes"),
    *("elapsed_ns", "memory_usage"),
)


class Session:
    """One connection: settings and database of its own. For one thread at a time, but not always the same one."""

    def __init__(self, data_path: str) -> None:
        import chdb  # noqa: PLC0415 - takes a sixth of a second and a dozen threads, which who only asks need not wait for

        # The engine compares paths letter by letter; this is the spelling clickhouse-connect uses too.
        connect: Callable[[str], Any] = chdb.connect
        self._connection = _engine_errors(lambda: connect(os.path.realpath(data_path)))
        self._stream: Any = None

    def classify(self, sql: str) -> tuple[int, bool]:
        """Return how many statements this is and whether all of them read, by the engine's own judgement."""
        kind = self._connection._conn.classify_query(sql)  # noqa: SLF001 - it has no public door
        return int(kind["statement_count"]), kind["query_class"].name == "READ_ONLY"

    def query(self, sql: str, output_format: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """Run a statement to its end and return the bytes of its result."""
        return self.result(sql, output_format, parameters).data

    def result(
        self, sql: str, output_format: str, parameters: Mapping[str, str] | None = None, *, limit: int | None = None
    ) -> Chunk:
        """Run a statement to its end.

        Raises:
            QueryError: it failed, or its result is larger than `limit` bytes.
        """
        answer = _engine_errors(lambda: self._connection.query(sql, output_format, params=dict(parameters or {})))
        if limit is not None and answer.size() > limit:  # before it is copied
            raise _too_large(limit, "")
        return Chunk(answer)

    def stream(self, sql: str, output_format: str, parameters: Mapping[str, str]) -> None:
        """Start a statement whose result `fetch` returns block by block."""
        self._stream = _engine_errors(lambda: self._connection.send_query(sql, output_format, params=dict(parameters)))

    def fetch(self, limit: int) -> Chunk | None:
        """Return the next block of the stream, each encoded as if it were the only one; None after the last.

        Raises:
            QueryError: the statement failed, or the block is larger than `limit` bytes.
        """
        block = _engine_errors(self._stream.fetch)
        if block is not None and block.size() > limit:  # before it is copied
            raise _too_large(limit, " for one block: ask for fewer rows a block with max_block_size")
        return None if block is None else Chunk(block)

    def set(self, settings: Mapping[str, str]) -> None:
        """Change settings of this connection."""
        changes = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
        if changes:
            self.query(f"SET {changes}", "Null")

    def use(self, database: str) -> None:
        """Make a database the one that names without a database mean."""
        escaped = database.replace("\\", "\\\\").replace("`", "\\`")
        self.query(f"USE `{escaped}`", "Null")

    def end_stream(self) -> None:
        """End what `stream` started, so that the connection takes another statement."""
        stream, self._stream = self._stream, None
        if stream is not None:
            _engine_errors(stream.close)

    def close(self) -> None:
        """End what runs and give the connection back."""
        self.end_stream()
        self._connection.close()


class Chunk:
    """A result or a part of one, with what it cost."""

    def __init__(self, answer: Any) -> None:
        self.data: bytes = answer.bytes() or b""
        self.rows: int = answer.rows_read()  # rows of the result
        self.read_rows: int = answer.storage_rows_read()
        self.read_bytes: int = answer.storage_bytes_read()


class Control:
    """A connection that stays open: it keeps the engine alive between requests, and cancels queries of others."""

    def __init__(self, data_path: str) -> None:
        self.session = Session(data_path)
        self._lock = threading.Lock()

    def cancel(self, tag: str) -> None:
        """Cancel the query that runs with this `log_comment`, if there is one."""
        with self._lock:
            self.session.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(tag)}", "Null")

    def progress(self, tag: str) -> dict[str, str]:
        """Return how far the query with this `log_comment` is; nothing where it does not run."""
        sql = f"{_PROGRESS} WHERE Settings['log_comment'] = {quoted(tag)} LIMIT 1"
        with self._lock:
            try:
                found = self.session.query(sql, "TSVRaw").decode().split()
            except QueryError:
                return {}
        return dict(zip(_PROGRESS_NAMES, found, strict=True)) if found else {}

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self.session.close()


def quoted(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _too_large(limit: int, where: str) -> QueryError:
    return QueryError(396, "TOO_MANY_ROWS_OR_BYTES", f"Limit for result exceeded, max bytes: {limit}{where}.")


def _engine_errors(call: Callable[[], Result]) -> Result:
    from chdb._exceptions import ChdbError  # noqa: PLC0415 - as above; connections raise it, chdb.ChdbError is another

    try:
        return call()
    except (ChdbError, RuntimeError) as error:
        raise from_engine(error) from None
