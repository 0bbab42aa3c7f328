"""Once an hour and at the start: what is beyond its time goes, one day of one tenant in one table after the other.

1. which segments of the journal, or which rows, are there is written down (`otel.removal_scope`). Rows that come later
   are not in it and wait for the next round: what is archived and what is deleted are the same rows, and nothing
   stands in the way of loading.
2. they are written to a file beside its final name, synced, read back and compared: their number, and a sum of hashes
   of all their columns
3. `archive/unit.json` is written: from here on the file counts; it gets its name
4. they are deleted, and then the note

A crash before 3 leaves a file nobody looks at, which is written anew; behind it, the next start goes on with 4. A TTL
of ClickHouse's own would know neither of files nor of the tenants' rules, and would not wait for a disk that is full.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from collector import files
from collector.background import Background
from collector.clickhouse import ClickHouse, quoted
from collector.errors import CollectorError
from collector.retention.archive import NOTE, TIMES, Archive, Shape
from collector.retention.rules import EVER, SPAN, Rules

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 60.0  # after a round that failed
_SCOPE: Final = "otel.removal_scope"
_MARK: Final = "retention-"  # what jobs in the scope are called


class NotTheSameError(CollectorError):
    """What a file of the archive holds is not what was to be archived."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What goes together: rows of one day, tenant and table.

    Attributes:
        job: under which it is in the scope.
        table: without its database.
        partition: id of the partition.
        where: which rows, apart from the scope.
        file: where they are archived, relative to the archive, "" if they are not.
        values: parameters in `where`.
    """

    job: str
    table: str
    partition: str
    where: str
    file: str
    values: dict[str, Any] = field(default_factory=dict)


class Retention(Background):
    """The thread."""

    def __init__(
        self,
        connect: Callable[[], ClickHouse],
        archive: Archive,
        rules: Rules,
        lock: threading.Lock,
        *,
        keep: bool,
        name: str,
        waits: Callable[[], bool],
    ) -> None:
        """Nothing runs before `start`. While it holds `lock` nobody is erased; with `keep`, rows are archived first.

        What it writes down is under `name`, as there may be other collectors of the same server. While it `waits`, an
        erasure has not ended: that has found out already from which rows it will count anew, and they have to stay.
        """
        super().__init__("retention")
        self._connect, self._archive, self._rules, self._lock, self._keep = connect, archive, rules, lock, keep
        self._mark, self._waits, self._later = f"{_MARK}{name}-", waits, False

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with contextlib.closing(self._connect()) as database:
                    self.round(database)
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing is deleted for it, and it is tried again
                self._complain("rows beyond their time stay", error)
                self._stop.wait(_AGAIN_SECONDS)
            else:
                self._trouble = ""
                self._stop.wait(_AGAIN_SECONDS if self._later else EVERY_SECONDS)

    def round(self, database: ClickHouse) -> int:
        """Let go what is beyond its time; return how many units that were.

        Raises:
            ClickHouseError, OSError, NotTheSameError: something stays; what was archived is deleted by the next round.
        """
        count, self._later = 0, False
        for step in self._steps(database):
            with self._lock:
                self._later = self._waits()
                if self._later or self._stop.is_set():
                    break
                count += step()
        if count:
            log.info("retention: %d days of tenants' rows are gone from ClickHouse", count)
        return count

    def _steps(self, database: ClickHouse) -> Iterator[Callable[[], int]]:
        """Yield what a round does: each returns how many units went."""
        yield lambda: self._go_on(database)
        for table in TIMES:
            for unit in list(self._beyond(database, table)):
                yield functools.partial(self._let_go, database, unit)
        yield lambda: self._follow(database)

    def _go_on(self, database: ClickHouse) -> int:
        """End what an earlier process began."""
        note = self._archive.folder / NOTE
        if note.exists():
            unit = Unit(**json.loads(note.read_text()))
            if (self._archive.folder / unit.file).exists():
                self._delete(database, unit, _key(database, unit.table, self._archive.shape(database, unit.table)))
            note.unlink(missing_ok=True)  # with what it says it went, too
        mine = f"startsWith(job, {quoted(self._mark)})"
        if database.rows(f"SELECT 1 FROM {_SCOPE} WHERE {mine} LIMIT 1"):  # noqa: S608 - ours
            database.command(f"ALTER TABLE {_SCOPE} DELETE WHERE {mine} SETTINGS mutations_sync = 2")
        self._archive.sweep()
        return 0

    def _beyond(self, database: ClickHouse, table: str) -> Iterator[Unit]:
        """Yield what is beyond its time.

        Partitions are of `toDate`, which knows no day beyond 2149 and takes one for a day in the 1970s: not so here.
        """
        time, today = TIMES[table], _today()
        if (shortest := self._rules.shortest()) >= EVER:
            return
        latest = today - dt.timedelta(days=shortest)
        days = database.rows(
            f"SELECT DISTINCT _partition_id, toString(toDate32({time})), CAST(Tenant, 'String') FROM otel.{table} "  # noqa: S608 - ours
            f"WHERE {time} < toDateTime64({{latest:String}}, 9) ORDER BY 1, 2, 3",
            {"latest": f"{latest} 00:00:00"},
        )
        for partition, day, tenant in days:
            age = (today - dt.date.fromisoformat(day)).days
            where, values = self._expired(table, tenant, age)
            if where:
                number = secrets.token_hex(8)
                job = f"{self._mark}{number}"
                path = self._archive.path(table, tenant, day, number[:8])
                file = str(path.relative_to(self._archive.folder)) if self._keep else ""
                of_day = f"{where} AND toDate32({time}) = toDate32({{day:String}})"
                yield Unit(job, table, partition, of_day, file, {"tenant": tenant, "job": job, "day": day} | values)

    def _expired(self, table: str, tenant: str, age: int) -> tuple[str, dict[str, Any]]:
        """Return which rows of a day go, and the parameters in that; "" for none."""
        if table != "otel_traces":
            return ("Tenant = {tenant:String}" if age > self._rules.of_table(table, tenant) else ""), {}
        most, but = self._rules.expired(tenant, age)
        if not most and not but:
            return "", {}
        kind = f"if(InteractionType = '', '{SPAN}', InteractionType)"
        which = f"{kind} {'NOT IN' if most else 'IN'} {{types:Array(String)}}"
        return f"Tenant = {{tenant:String}} AND {which}", {"types": but}

    def _let_go(self, database: ClickHouse, unit: Unit) -> int:
        """Archive a unit, where that is wanted, and delete it; return 0 if there is nothing of it."""
        shape = self._archive.shape(database, unit.table)
        key = _key(database, unit.table, shape)
        database.command(
            f"INSERT INTO {_SCOPE} (job, kind, id) SELECT DISTINCT {{job:String}}, 'archived', {key} "  # noqa: S608 - ours
            f"FROM otel.{unit.table} WHERE {_of(unit)} SETTINGS insert_deduplicate = 0",
            unit.values,
        )
        if not database.rows(f"SELECT count() FROM {_SCOPE} WHERE job = {{job:String}}", unit.values)[0][0]:  # noqa: S608 - ours
            return 0
        if unit.file:
            self._write(database, shape, unit, key)
        self._delete(database, unit, key)
        return 1

    def _write(self, database: ClickHouse, shape: Shape, unit: Unit, key: str) -> None:
        target = self._archive.folder / unit.file
        new = target.with_name(target.name + ".tmp")
        rows = f"FROM otel.{unit.table} WHERE {_of(unit)} AND {_scoped(key)}"
        self._archive.write(database, shape, rows, unit.values, new)
        [(count, total)] = database.rows(f"SELECT {shape.sums} {rows}", unit.values)
        self._compare(database, shape, new, (int(count), int(total or 0)))
        files.write_whole(self._archive.folder / NOTE, json.dumps(asdict(unit)).encode())
        files.rename(new, target)
        self._archive.offer_table(database, unit.table)

    def _compare(self, database: ClickHouse, shape: Shape, path: Path, wanted: tuple[int, int]) -> None:
        engine = self._archive.engine(database)
        try:
            written = self._archive.sums(engine, shape, path)
        finally:
            if engine is not database:
                engine.close()
        if written != wanted:
            path.unlink()
            raise NotTheSameError(f"{path.name} does not hold what was to be archived: {written} instead of {wanted}")

    def _delete(self, database: ClickHouse, unit: Unit, key: str) -> None:
        database.command(
            f"ALTER TABLE otel.{unit.table} DELETE IN PARTITION ID {quoted(unit.partition)} "
            f"WHERE {unit.where} AND {_scoped(key)} SETTINGS mutations_sync = 2",
            unit.values,
        )
        (self._archive.folder / NOTE).unlink(missing_ok=True)
        database.command(
            f"ALTER TABLE {_SCOPE} DELETE WHERE job = {{job:String}} SETTINGS mutations_sync = 2", unit.values
        )

    def _follow(self, database: ClickHouse) -> int:
        """Let sessions go whose last activity is beyond, and the times of traces."""
        for (tenant,) in database.rows("SELECT DISTINCT CAST(tenant, 'String') FROM otel.sessions_state"):
            _delete_some(
                database,
                "otel.sessions_state",
                """tenant = {tenant:String} AND session_id IN (
                  SELECT session_id FROM otel.sessions_state WHERE tenant = {tenant:String}
                  GROUP BY session_id HAVING toDate32(max(last_activity_at), 'UTC') < {before:Date32}
                )""",
                self._rules.of_session(tenant),
                {"tenant": tenant},
            )
        ended = "toDate(End, 'UTC') < {before:Date}"
        _delete_some(database, "otel.otel_traces_trace_id_ts", ended, self._rules.of_trace(), {})
        return 0


def _delete_some(database: ClickHouse, table: str, where: str, days: int, values: dict[str, str]) -> None:
    """Delete rows beyond so many days, if there are any: a mutation writes every part anew."""
    if days >= EVER:
        return
    told = {**values, "before": _today() - dt.timedelta(days=days)}
    if database.rows(f"SELECT 1 FROM {table} WHERE {where} LIMIT 1", told):  # noqa: S608 - ours
        database.command(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 2", told)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _of(unit: Unit) -> str:
    return f"_partition_id = {quoted(unit.partition)} AND {unit.where}"


def _scoped(key: str) -> str:
    return f"{key} IN (SELECT id FROM {_SCOPE} WHERE job = {{job:String}})"  # noqa: S608 - ours


def _key(database: ClickHouse, table: str, shape: Shape) -> str:
    """Write what rows are known by that came together, in one insert; the key of the row where a table does not say.

    Rows that somebody else inserted have no segment: they are known by all that they say.
    """
    if any(name == "JournalSegment" for name, _ in shape.columns):
        whole = f"toString(cityHash64(tuple({shape.names})))"
        return f"if(JournalSegment = '', {whole}, CAST(JournalSegment, 'String'))"
    [(key,)] = database.rows(
        "SELECT sorting_key FROM system.tables WHERE database = 'otel' AND name = {table:String}", {"table": table}
    )
    return f"toString(({key}))"
