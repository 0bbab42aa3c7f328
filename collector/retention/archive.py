"""What was moved out of ClickHouse: Parquet files below DATA_DIR/archive.

There is one a table, tenant and day, or more where some rows came late or have other days.

    archive/otel_traces/tenant=acme/date=2026-01-31-5f3a….parquet     every stored column of the rows
    archive/unit.json                                               what is being moved just now (`worker.py`)

Embedded, the tables `otel.archived_…` read the files where they are, and the view `otel.archived_interactions` stands
on one of them as `otel.interactions` stands on `otel.otel_traces`. A server cannot read this machine's files: there an
embedded engine of the collector's own reads them, to compare what was written, and to rewrite it when somebody is to be
forgotten.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from collector import files
from collector.clickhouse import ClickHouse, quoted

PREFIX: Final = "archived_"
NOTE: Final = "unit.json"  # what is being moved just now
TIMES: Final = {
    "otel_traces": "Timestamp",
    "otel_logs": "Timestamp",
    "span_messages": "Timestamp",
    "otel_metrics_gauge": "TimeUnix",
    "otel_metrics_sum": "TimeUnix",
    "otel_metrics_histogram": "TimeUnix",
    "otel_metrics_exponential_histogram": "TimeUnix",
    "otel_metrics_summary": "TimeUnix",
}
"""The tables that are archived, and the column by whose day they are partitioned."""
_COLUMNS: Final = """
SELECT name, type FROM system.columns
WHERE database = 'otel' AND table = {table:String} AND default_kind NOT IN ('ALIAS', 'EPHEMERAL')
ORDER BY position
"""
_VIEW: Final = "SELECT as_select FROM system.tables WHERE database = 'otel' AND name = 'interactions'"
_SMALL: Final = {"output_format_parquet_compression_method": "zstd", "max_threads": "1"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a table as they are archived.

    Attributes:
        columns: names and types, in order.
    """

    columns: Sequence[tuple[str, str]]

    @property
    def names(self) -> str:
        """The columns as a SELECT takes them."""
        return ", ".join(f"`{name}`" for name, _ in self.columns)

    @property
    def structure(self) -> str:
        """The columns as CREATE TABLE takes them."""
        return ", ".join(f"`{name}` {kind}" for name, kind in self.columns)

    @property
    def sums(self) -> str:
        """Expressions that are equal for equal sets of rows: their number, and a sum of hashes of every column."""
        return f"count(), sum(cityHash64(tuple({self.names})))"


class Archive:
    """The files. One thread at a time writes them."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        """Nothing is created before the first file; `scratch` is where an engine beside a server lies."""
        self.folder, self._scratch = folder, scratch
        self._links = tempfile.TemporaryDirectory(prefix="otel-interactions-")
        self._link = (
            Path(self._links.name) / "archive"
        )  # a data directory's name may hold what `file` takes for a pattern
        self._link.symlink_to(folder)

    def close(self) -> None:
        """Remove what only this process needs."""
        self._links.cleanup()

    def offer(self, database: ClickHouse) -> None:
        """Create what reads it, where ClickHouse can read files. Raises ClickHouseError, OSError."""
        if not database.embedded:
            return
        for table in TIMES:
            self.offer_table(database, table)
        select = str(database.rows(_VIEW)[0][0]).replace("otel.otel_traces", f"otel.{archived('otel_traces')}")
        database.command(f"CREATE OR REPLACE VIEW otel.archived_interactions AS {select}")

    def offer_table(self, database: ClickHouse, table: str) -> None:
        """Let a table read the files as they are now: the engine lists them when it is created, and never again."""
        if database.embedded:
            structure, found = self.shape(database, table).structure, self._path() / table / "*" / "*.parquet"
            database.command(
                f"CREATE OR REPLACE TABLE otel.{archived(table)} ({structure}) "
                f"ENGINE = File(Parquet, {quoted(str(found))})"
            )

    def _path(self) -> Path:
        """Return the folder as the engine takes it, under its own name where that holds no pattern."""
        return self._link if any(each in "*?{}[]\\'" for each in str(self.folder)) else self.folder

    def shape(self, database: ClickHouse, table: str) -> Shape:
        """Return how a table is archived."""
        return Shape([(str(name), str(kind)) for name, kind in database.rows(_COLUMNS, {"table": table})])

    def path(self, table: str, tenant: str, day: str, number: str) -> Path:
        """Return where a file goes; `number` keeps several of one day apart."""
        return self.folder / table / f"tenant={quote(tenant, safe='')}" / f"date={day}-{number}.parquet"

    def write(self, database: ClickHouse, shape: Shape, rows: str, values: Mapping[str, Any], target: Path) -> None:
        """Write rows to `target`, durably; `rows` is what follows SELECT … .

        Raises:
            ClickHouseError, OSError: it is not there, or not whole.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        settings = ", ".join(f"{name} = {quoted(value)}" for name, value in _SMALL.items())
        source = f"SELECT {shape.names} {rows}"
        if database.embedded:
            into = f"INSERT INTO FUNCTION {self._file(target, shape)}"
            database.command(f"{into} {source} SETTINGS {settings}", values)
        else:
            database.download(f"{source} SETTINGS {settings}", values, "Parquet", target)
        sync(target)

    def sums(self, engine: ClickHouse, shape: Shape, path: Path) -> tuple[int, int]:
        """Return how many rows a file has, and a sum of their hashes."""
        [(count, total)] = engine.rows(f"SELECT {shape.sums} FROM {self._file(path, shape)}")  # noqa: S608 - a file of ours
        return int(count), int(total or 0)

    def engine(self, database: ClickHouse) -> ClickHouse:
        """Return what reads the files: the embedded engine, or one of our own beside a server, to be closed."""
        return database if database.embedded else ClickHouse(self._scratch, None)

    def source(self, table: str, tenant: str, shape: Shape) -> str:
        """Return all files of a tenant as FROM takes them, "" if there is none."""
        found = next(self.files(table, tenant), None)
        return self._file(found.with_name("*.parquet"), shape) if found else ""

    def sweep(self) -> None:
        """Delete what was never finished; nobody may be writing."""
        for left in self.folder.glob("*/*/*.tmp"):
            left.unlink()

    def files(self, table: str, tenant: str) -> Iterator[Path]:
        """Yield the files of a tenant."""
        folder = self.folder / table / f"tenant={quote(tenant, safe='')}"
        yield from sorted(folder.glob("*.parquet")) if folder.exists() else ()

    def rewrite(self, engine: ClickHouse, shape: Shape, path: Path, without: str, values: Mapping[str, Any]) -> int:
        """Write a file anew without some rows, or delete it where no other is left; return how many went.

        Raises:
            ClickHouseError, OSError: the file is as it was.
        """
        source = f"FROM {self._file(path, shape)} WHERE"
        [(there, gone)] = engine.rows(f"SELECT count(), countIf({without}) {source} 1", values)
        if gone and gone == there:
            path.unlink()
            files.sync_folder(path.parent)
        elif gone:
            new = path.with_name(path.name + ".tmp")
            into = f"INSERT INTO FUNCTION {self._file(new, shape)}"
            new.unlink(missing_ok=True)
            engine.command(f"{into} SELECT {shape.names} {source} NOT ({without})", values)
            sync(new)
            files.rename(new, path)
        return int(gone)

    def _file(self, path: Path, shape: Shape) -> str:
        inside = self._path() / path.relative_to(self.folder)  # tenants are percent-encoded: no pattern in them
        return f"file({quoted(str(inside))}, 'Parquet', {quoted(shape.structure)})"


def archived(table: str) -> str:
    """Return what the table is called that reads the archive of another."""
    return PREFIX + table.removeprefix("otel_")


def sync(path: Path) -> None:
    """Make a file's content durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
