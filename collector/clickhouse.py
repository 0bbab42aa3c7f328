"""One way to speak to ClickHouse, embedded in this process or a server: the same client, the same SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import StartError

_GLOB = re.compile(r"[*?{}\[\]\\']")  # characters INFILE would expand or that need quoting
EMBEDDED_FOLDER = "clickhouse"


class ClickHouse:
    """A connection. Not for two threads at once: each stage opens its own, so that none waits for another."""

    def __init__(self, data_dir: Path, url: str | None) -> None:
        """Connect to the server at `url`, or open the embedded engine under `data_dir`.

        Raises:
            StartError: it cannot be reached or opened.
        """
        self.embedded = url is None
        try:
            self._client = _embedded(data_dir) if url is None else _server(url)
        except (ClickHouseError, OSError) as error:
            where = f"the embedded ClickHouse in {data_dir}" if url is None else "the ClickHouse server"
            raise StartError(
                f"{where} does not answer: {str(error).splitlines()[0][:300]}",
                hint="check --clickhouse-url" if url else "check that the folder is writable and not in use",
            ) from error

    def command(self, sql: str) -> None:
        """Run a statement that returns nothing."""
        self._client.command(sql)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Sequence[Any]]:
        """Run a query and return its rows; `{name:Type}` in it are the parameters."""
        return list(self._client.query(sql, parameters=dict(parameters or {})).result_rows)

    def insert_file(self, table: str, path: Path, input_format: str, settings: Mapping[str, str]) -> None:
        """Insert a file as it lies on disk; on return ClickHouse has it."""
        if self.embedded and not _GLOB.search(str(path)):  # the engine reads the file itself, no copy
            clause = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
            self._client.command(
                f"INSERT INTO {table} FROM INFILE {quoted(str(path))} SETTINGS {clause} FORMAT {input_format}"
            )
            return
        with path.open("rb") as file:
            self._client.raw_insert(table, insert_block=file, settings=dict(settings), fmt=input_format)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _embedded(data_dir: Path) -> Any:
    return clickhouse_connect.get_client(interface="chdb", path=str(data_dir / EMBEDDED_FOLDER))


def _server(url: str) -> Any:
    # An insert that is cut off may or may not have happened; wait for it rather than guess.
    return clickhouse_connect.get_client(dsn=url, send_receive_timeout=600, connect_timeout=10)


def quoted(text: str) -> str:
    """Write an SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
