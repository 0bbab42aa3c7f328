"""Bring a database to the newest schema: forward only, each file once, safe to run twice.

On a cluster each file becomes a statement or two (`cluster.py`), and the ledger, which every node has, says so in its
comment: one database is laid out one way.

The ledger `otel.schema_migrations` says which files ran and with which content. ClickHouse has no transaction around
DDL, so a file is applied first and recorded then; a crash between the two runs it again, which every statement allows
(IF NOT EXISTS, OR REPLACE).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from collector.errors import StartError
from collector.schema.cluster import Cluster

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
_LAYOUT = "SELECT comment FROM system.tables WHERE database = 'otel' AND name = 'schema_migrations'"
_ON_CLUSTER = "cluster "  # and its name, in the ledger's comment


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


def pending(database: Database, cluster: str = "") -> list[Migration]:
    """Return what still has to run. Reads only.

    Args:
        database: where.
        cluster: the name of the cluster it is for, "" for a single server or the embedded engine.

    Raises:
        StartError: the database is newer than this version, a file that ran has changed since, or it was laid out for
            another cluster, or for none.
    """
    _require_layout(database, cluster)
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


def migrate(database: Database, progress: Callable[[Migration], None] = lambda _: None, cluster: str = "") -> int:
    """Apply what is pending; return how many files ran.

    Args:
        database: where.
        progress: called behind each file.
        cluster: see `pending`.

    Raises:
        StartError: see `pending`.
    """
    written = writer(cluster)
    todo = pending(database, cluster)
    for statement in written(_DATABASE, _ledger(cluster)) if todo else ():
        database.command(statement)
    for migration in todo:
        for statement in written(migration.sql):
            database.command(statement)
        database.command(migration.record())
        progress(migration)
    return len(todo)


def as_script(cluster: str = "") -> Iterator[str]:
    """Yield the whole schema, ledger included, as statements a DBA can run; each ends with `;` and a newline.

    Raises:
        StartError: that is no name of a cluster.
    """
    written = writer(cluster)
    for statement in written(_DATABASE, _ledger(cluster)):
        yield f"{statement};\n"
    for migration in migrations():
        for statement in written(migration.sql):
            yield f"{statement};\n"
        yield f"{migration.record()};\n"


def _ledger(cluster: str) -> str:
    return f"{_LEDGER}\nCOMMENT '{_ON_CLUSTER}{cluster}'" if cluster else _LEDGER


def sharded(cluster: str) -> frozenset[str]:
    """Return the tables of which each shard of a cluster has rows of its own.

    Raises:
        StartError: that is no name of a cluster.
    """
    return Cluster.of(cluster, (each.sql for each in migrations())).sharded


def writer(cluster: str) -> Callable[..., Iterator[str]]:
    """Return what writes statements of the plain schema as the database needs them: a server, or a cluster by name.

    Raises:
        StartError: that is no name of a cluster.
    """
    layout = Cluster.of(cluster, (each.sql for each in migrations())) if cluster else None

    def written(*statements: str) -> Iterator[str]:
        for each in statements:
            yield from layout.statements(each) if layout else (each,)

    return written


def _require_layout(database: Database, cluster: str) -> None:
    found = database.rows(_LAYOUT)
    if not found or str(found[0][0]) == f"{_ON_CLUSTER}{cluster}" * bool(cluster):
        return
    name = str(found[0][0]).removeprefix(_ON_CLUSTER)
    laid_out = f"for the cluster {name}" if name else "for a single server"
    advice = f"give --clickhouse-cluster {name}" if name else "leave --clickhouse-cluster away"
    raise StartError(
        f"the tables on this server are laid out {laid_out}; nothing was touched",
        hint=f"{advice}, or use another server: what is there is not laid out anew",
    )
