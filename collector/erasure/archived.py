"""One user's rows in the files of the archive, found and taken out by the rule that holds for the tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from collector.clickhouse import ClickHouse
from collector.erasure.places import SCOPE, Place, theirs
from collector.erasure.rows import Found, Rows, mentioned
from collector.retention.archive import TIMES, Archive, Shape, archived


class Archived:
    """The files of one tenant, read by the embedded engine, or by one of our own beside a server."""

    def __init__(self, archive: Archive, database: ClickHouse, engine: ClickHouse, rows: Rows) -> None:
        """Look for whom `rows` is about."""
        self._archive, self._database, self._engine, self._rows = archive, database, engine, rows
        self._shapes = {table: archive.shape(database, table) for table in TIMES}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, archive: Archive, database: ClickHouse, rows: Rows) -> Iterator[Archived]:
        """Give it, with what the plan found where its engine can see it. Raises ClickHouseError, OSError."""
        engine = archive.engine(database)
        try:
            if engine is not database:
                _lend(database, engine, rows.values)
            yield cls(archive, database, engine, rows)
        finally:
            if engine is not database:
                engine.close()

    def erase(self) -> None:
        """Take the rows out of every file."""
        self._archive.sweep()
        for table, place, shape in self._tables():
            paths = list(self._archive.files(table, self._rows.values["tenant"]))
            try:
                for path in paths:
                    self._archive.rewrite(self._engine, shape, path, self._theirs(place), self._rows.values)
            finally:  # one that is broken must not leave a table that looks for those that went
                if paths:
                    self._archive.offer_table(self._database, table)

    def counted(self) -> dict[str, int]:
        """Return how many rows of theirs there are, by table; only those that have any."""
        counts = {place.table: self._count(table, place, shape) for table, place, shape in self._tables()}
        return {table: count for table, count in counts.items() if count}

    def look(self) -> Found:
        """Return what is left."""
        mentions: dict[str, int] = {}
        for table, place, shape in self._tables():
            if source := self._source(table, shape):
                mentions |= mentioned(self._engine, place, source, self._rows.values)
        left = self.counted()
        return Found(left, {each: count for each, count in mentions.items() if each.partition(".")[0] not in left})

    def _tables(self) -> Iterator[tuple[str, Place, Shape]]:
        for table, shape in self._shapes.items():
            yield table, Place(archived(table), "File", dict(shape.columns)), shape

    def _source(self, table: str, shape: Shape) -> str:
        return self._archive.source(table, self._rows.values["tenant"], shape)

    def _theirs(self, place: Place) -> str:
        return theirs(place, self._rows.names, everywhere=self._rows.everywhere)

    def _count(self, table: str, place: Place, shape: Shape) -> int:
        if not (source := self._source(table, shape)):
            return 0
        sql = f"SELECT count() FROM {source} WHERE {self._theirs(place)}"  # noqa: S608 - ours
        return int(self._engine.rows(sql, self._rows.values)[0][0])


def _lend(database: ClickHouse, engine: ClickHouse, values: dict[str, Any]) -> None:
    """Copy what the plan found to the engine that reads the files."""
    [(statement,)] = database.rows(
        "SELECT create_table_query FROM system.tables WHERE database = 'otel' AND name = 'removal_scope'"
    )
    engine.command("CREATE DATABASE IF NOT EXISTS otel")
    engine.command(f"DROP TABLE IF EXISTS {SCOPE}")
    engine.command(str(statement))
    found = database.rows(f"SELECT job, kind, id, span FROM {SCOPE} WHERE job = {{job:String}}", values)  # noqa: S608 - ours
    engine.insert(SCOPE, [dict(zip(("job", "kind", "id", "span"), row, strict=True)) for row in found])
