"""One way to speak to ClickHouse, embedded in this process or a server: the same client, the same SQL."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import StartError, first_line

_GLOB = re.compile(r"[*?{}\[\]\\']")  # characters INFILE would expand or that need quoting
EMBEDDED_FOLDER = "clickhouse"
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container (cgroup v2)
_MERGES_NICE = "10"  # merging can wait: acknowledging and loading go first where there are too few cores
_CACHE_SHARE = 16  # each of the engine's three index caches gets such a part of its memory; unbounded they are 5 GB
INSERT_SECONDS = 600  # an insert that is cut off may or may not have happened; wait for it rather than guess


class ClickHouse:
    """A connection. Not for two threads at once: each stage opens its own, so that none waits for another."""

    def __init__(
        self,
        data_dir: Path,
        url: str | None,
        *,
        memory_bytes: int = 0,
        patience_seconds: int = INSERT_SECONDS,
        at_once: bool = True,
    ) -> None:
        """Connect to the server at `url`, or open the embedded engine under `data_dir`.

        `memory_bytes` is the most the embedded engine may take (0: half of the machine's); the first connection of a
        process decides it. A statement beyond it fails with MEMORY_LIMIT_EXCEEDED, and nothing else does.
        A server that takes longer than `patience_seconds` for an answer is taken for gone. If it need not be there
        `at_once`, the first statement connects, and so does the next one after a try that failed.

        Raises:
            StartError: it cannot be reached or opened.
        """
        self.embedded = url is None
        self._options = _bounds(memory_bytes or machine_memory() // 2)
        self._connect: Callable[[], Any] = functools.partial(_embedded, data_dir, self._options)
        if url is not None:
            self._connect = functools.partial(_server, url, patience_seconds)
        self._connected: Any = None
        if at_once:
            try:
                self._connected = self._connect()
            except (ClickHouseError, OSError) as error:
                raise unreachable(None if url else data_dir, error) from error

    @property
    def _client(self) -> Any:
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def reopen(self, data_dir: Path, config: Path) -> None:
        """Close the embedded engine and open it anew with a configuration file; nobody else may be connected to it."""
        self.close()
        self._connect = functools.partial(_embedded, data_dir, self._options | {"config-file": str(config)})
        self._connected = self._connect()

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing; `{name:Type}` in it are the parameters."""
        self._client.command(sql, parameters=dict(parameters) if parameters else None)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Sequence[Any]]:
        """Run a query and return its rows; `{name:Type}` in it are the parameters."""
        return list(self._client.query(sql, parameters=dict(parameters or {})).result_rows)

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert a few rows, by the names of their columns, of what JSON can say and of dates."""
        if rows:
            block = "\n".join(json.dumps(row, default=str) for row in rows).encode()
            columns = list(dict.fromkeys(name for row in rows for name in row))
            self._client.raw_insert(table, columns, block, fmt="JSONEachRow")

    def insert_file(self, table: str, path: Path, input_format: str, settings: Mapping[str, str]) -> None:
        """Insert a file as it lies on disk; on return ClickHouse has it."""
        if self.embedded and not _GLOB.search(str(path)):  # the engine reads the file itself, no copy
            source = f"FROM INFILE {quoted(str(path))} {settings_clause(settings)} FORMAT {input_format}"
            self._client.command(f"INSERT INTO {table} {source}")
            return
        with path.open("rb") as file:
            self._client.raw_insert(table, insert_block=file, settings=dict(settings), fmt=input_format)

    def download(self, sql: str, parameters: Mapping[str, Any], output_format: str, target: Path) -> None:
        """Write a query's answer to a file as it comes.

        Raises:
            OSError: the disk did not take it.
        """
        answer = self._client.raw_stream(sql, parameters=dict(parameters), fmt=output_format)
        with contextlib.closing(answer), target.open("wb") as file:
            shutil.copyfileobj(answer, file)

    def close(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None


def unreachable(data_dir: Path | None, error: Exception) -> StartError:
    """Say that the embedded engine in `data_dir`, or the server, does not answer."""
    if data_dir:
        where, hint = f"the embedded ClickHouse in {data_dir}", "check that the folder is writable and not in use"
    else:
        where, hint = "the ClickHouse server", "check --clickhouse-url"
    return StartError(f"{where} does not answer: {first_line(error)}", hint=hint)


def machine_memory() -> int:
    """Return the bytes of memory this process may use at most: the machine's, or its container's."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no cgroup v2, or its limit is "max"
        return physical


def _bounds(memory_bytes: int) -> dict[str, str]:
    caches = ("mark_cache_size", "index_mark_cache_size", "primary_index_cache_size")
    return {
        "max_server_memory_usage": str(memory_bytes),
        "os_threads_nice_value_merge_mutate": _MERGES_NICE,
        **dict.fromkeys(caches, str(memory_bytes // _CACHE_SHARE)),
    }


def _embedded(data_dir: Path, options: Mapping[str, str]) -> Any:
    path = str(data_dir / EMBEDDED_FOLDER)
    return clickhouse_connect.get_client(interface="chdb", path=path, chdb_options=dict(options))


def _server(url: str, patience: int) -> Any:
    return clickhouse_connect.get_client(dsn=url, send_receive_timeout=patience, connect_timeout=min(patience, 10))


def settings_clause(settings: Mapping[str, str]) -> str:
    """Write settings as the end of a statement takes them."""
    return "SETTINGS " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())


def quoted(text: str) -> str:
    """Write an SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
