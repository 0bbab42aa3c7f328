"""Bring a database to the newest schema: forward only, each file once, safe to run twice.

The ledger `otel.schema_migrations` says which files ran and with which content. ClickHouse has no transaction around
DDL, so a file is applied first and recorded then; a crash between the two runs it again, which every statement allows
(IF NOT EXISTS, OR REPLACE).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from collector.errors import StartError

_FILE = re.compile(r"^(\d{4})_(\w+)\.sql$")
_LEDGER = """CREATE TABLE IF NOT EXISTS otel.schema_migrations
(
  number UInt32,
  name String,
  checksum String,
  applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number"""
_DATABASE = "CREATE DATABASE IF NOT EXISTS otel"


class Database(Protocol):
    """What the migrator needs of ClickHouse."""

    def command(self, sql: str) -> None:
        """Run a statement."""

    def rows(self, sql: str) -> list[Sequence[Any]]:
        """Run a query."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file.

    Attributes:
        number: its place; the files run in this order.
        name: what the file is called behind the number.
        sql: its one statement, with the comments before it.
    """

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the statement, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def record(self) -> str:
        """Return the statement that enters it into the ledger."""
        values = f"({self.number}, '{self.name}', '{self.checksum}')"  # all three ours, out of the package
        return f"INSERT INTO otel.schema_migrations (number, name, checksum) VALUES {values}"  # noqa: S608 - see above


def migrations() -> list[Migration]:
    """Return every migration this version knows, in order."""
    files = resources.files("collector.schema").joinpath("sql").iterdir()
    found = [
        Migration(int(match[1]), match[2], file.read_text().strip())
        for file in files
        if (match := _FILE.match(file.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def newest() -> int:
    """Return the number of the newest migration this version knows."""
    return migrations()[-1].number


def applied(database: Database) -> dict[int, str]:
    """Return number -> checksum of the migrations on record; {} for an empty database. Reads only."""
    exists = database.rows("SELECT count() FROM system.tables WHERE database = 'otel' AND name = 'schema_migrations'")
    if not exists[0][0]:
        return {}
    return dict(database.rows("SELECT number, checksum FROM otel.schema_migrations FINAL"))  # type: ignore[arg-type]


def pending(database: Database) -> list[Migration]:
    """Return what still has to run. Reads only.

    Raises:
        StartError: the database is newer than this version, or a file that ran has changed since.
    """
    known, done = migrations(), applied(database)
    if done and max(done) > known[-1].number:
        raise StartError(
            f"the database has schema {max(done)}, this version knows {known[-1].number}; nothing was touched",
            hint="run the collector version that wrote it, or a newer one",
        )
    for migration in known:
        if done.get(migration.number, migration.checksum) != migration.checksum:
            raise StartError(
                f"migration {migration.number:04d}_{migration.name} differs from the one that was applied",
                hint="files that ran never change; restore it and add a new number",
            )
    return [migration for migration in known if migration.number not in done]


def migrate(database: Database, progress: Callable[[Migration], None] = lambda _: None) -> int:
    """Apply what is pending; return how many files ran.

    Raises:
        StartError: see `pending`.
    """
    todo = pending(database)
    if todo:
        database.command(_DATABASE)
        database.command(_LEDGER)
    for migration in todo:
        database.command(migration.sql)
        database.command(migration.record())
        progress(migration)
    return len(todo)


def as_script() -> Iterable[str]:
    """Yield the whole schema, ledger included, as statements a DBA can run; each ends with `;` and a newline."""
    yield f"{_DATABASE};\n"
    yield f"{_LEDGER};\n"
    for migration in migrations():
        yield f"{migration.sql};\n"
        yield f"{migration.record()};\n"
