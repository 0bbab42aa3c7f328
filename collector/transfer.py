"""From the embedded ClickHouse to a server or cluster: every row once, however often it is interrupted.

    table, day (UTC), bucket ──Native file──> INSERT under a token ──> the same table there ──views──> aggregates there

What is copied are the tables that hold rows first, the *keepers* of the loader's routes, and the small ones that no
view feeds (prices, settings, notes). What views make of them, the views of the target make anew, so nothing counts
twice; and columns that a table computes itself it computes anew, by its newest rules. Only what was sent travels.

A day is cut into buckets by a hash, so that each is one block. The source is locked and does not change, so a bucket
has the same rows and the same token at every try. What is there is noted in a file beside the data; the bucket that
was on its way when an earlier run ended is sent again under its token, which completes what lacks in tables and
aggregates and stores nothing twice, as long as the target knows the token for certain. If it may not, nothing is sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.clickhouse import ClickHouse, quoted
from collector.errors import CollectorError, StartError
from collector.load.sql_settings import block_settings
from collector.load.tables import DATABASE, Keeper, Tables
from collector.request import Signal

ROWS_AT_ONCE = 50_000
_MARGIN = 2  # of what a target remembers, this part is believed
_DAY = re.compile(r"^toDate\((\w+)\)$")  # what keepers are partitioned by
_LEDGER = "schema_migrations"
_COLUMNS = f"""
SELECT name FROM system.columns
WHERE database = '{DATABASE}' AND table = {{table:String}}
  AND default_kind NOT IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL')
ORDER BY position
"""  # noqa: S608 - a constant
_SMALL = f"""
SELECT name FROM system.tables
WHERE database = '{DATABASE}' AND engine LIKE '%ReplacingMergeTree' AND name != '{_LEDGER}'
  AND name NOT IN (SELECT extract(create_table_query, '^CREATE MATERIALIZED VIEW \\\\S+ TO {DATABASE}\\\\.(\\\\w+)')
    FROM system.tables WHERE database = '{DATABASE}' AND engine = 'MaterializedView')
ORDER BY name
"""  # noqa: S608 - a constant
_SUMS = "SELECT count(), sum(interactions), sum(errors), sum(input_tokens), sum(output_tokens) FROM otel"
_VIEWS = {view: f"{_SUMS}.{view}" for view in ("sessions", "daily_stats")}  # what adds up exactly of what views made

Progress = Callable[[int], None]  # takes how many rows more are there


@dataclass(frozen=True, slots=True)
class Copied:
    """A table on its way.

    Attributes:
        name: in the source, without the database.
        target: in the target, with it.
        columns: that are copied.
        time: the column that says a row's day, "" for a small table, which is copied as one.
        keeper: what the target remembers of tokens; None for a small table, in which the same row twice is one.
    """

    name: str
    target: str
    columns: tuple[str, ...]
    time: str
    keeper: Keeper | None

    @property
    def day(self) -> str:
        """The expression for a row's day, as text, the same in every time zone."""
        return f"toString(toDate({self.time}, 'UTC'))" if self.time else "''"

    def condition(self, day: str) -> str:
        """Return the condition for the rows of a day."""
        return f"{self.day} = {quoted(day)}"


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one insert."""

    table: Copied
    day: str
    bucket: int
    buckets: int

    @property
    def name(self) -> str:
        """What it is called in tokens and in the file of what is there."""
        return f"{self.table.name}/{self.day}/{self.bucket}-of-{self.buckets}"

    @property
    def condition(self) -> str:
        """The condition for its rows."""
        of_day = self.table.condition(self.day)
        if self.buckets == 1:
            return of_day
        spread = f"cityHash64(JournalSegment, ReceivedAt, {self.table.time})"
        return f"{of_day} AND {spread} % {self.buckets} = {self.bucket}"


@dataclass(frozen=True, slots=True)
class Checked:
    """How a day of a table, or a view, compares: what there should be, and what there is."""

    what: str
    day: str
    expected: tuple[int, ...]
    found: tuple[int, ...]

    @property
    def is_right(self) -> bool:
        """Whether it is the same."""
        return self.expected == self.found


class Journey:
    """The file that says how far it is: lines of JSON, synced one by one; half a line at the end is none."""

    def __init__(self, path: Path) -> None:
        """Read it, if it is there."""
        self.path = path
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        told = [json.loads(line) for line in lines]
        self.before: dict[str, list[int]] | None = told[0]["before"] if told else None
        self.done = {each["done"] for each in told if "done" in each}
        self.begun = {each["begun"]: float(each["at"]) for each in told if "begun" in each}

    def start(self, before: dict[str, list[int]]) -> None:
        """Say what the target had before anything was sent."""
        self.before = before
        self._write({"before": before})

    def begin(self, piece: str) -> None:
        """Say that a piece is about to be sent for the first time."""
        self._write({"begun": piece, "at": time.time()})

    def finish(self, piece: str) -> None:
        """Say that a piece is there."""
        self.done.add(piece)
        self._write({"done": piece})

    def _write(self, said: dict[str, Any]) -> None:
        data = self.path.read_bytes() if self.path.exists() else b""
        with self.path.open("r+b" if data else "wb") as file:
            file.truncate(data.rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(said).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


class Transfer:
    """One source, one target."""

    def __init__(self, source: ClickHouse, target: ClickHouse, folder: Path, secret: bytes, name: str) -> None:
        """Take two databases at the newest schema.

        Args:
            source: the embedded one, which nobody else uses.
            target: the server.
            folder: the source's data directory, in which the file of what is there and files in between are.
            secret: the source's own, by which its tokens differ from those of others.
            name: the target's, of its host and port.
        """
        self._source, self._target, self._folder = source, target, folder
        self._prefix = f"moved-{hashlib.sha256(secret).hexdigest()[:16]}"
        self._journey = Journey(folder / f"moved-to-{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.jsonl")

    def tables(self, wanted: Sequence[str] = ()) -> list[Copied]:
        """Return the tables that are copied, or of these the wanted ones.

        Raises:
            StartError: one that is wanted is none of them.
        """
        found = [*self._keepers(), *self._small()]
        known = [table.name for table in found]
        if foreign := [name for name in wanted if name not in known]:
            raise StartError(
                f"--tables names {foreign[0]!r}, which is not copied",
                hint=f"it takes {', '.join(known)}; what views make of them is made anew",
            )
        return [table for table in found if not wanted or table.name in wanted]

    def _keepers(self) -> Iterator[Copied]:
        here, there = Tables(self._source), Tables(self._target)
        for signal in Signal:
            pairs = zip(here.route(signal.label).keepers, there.route(signal.label).keepers, strict=True)
            for own, keeper in pairs:
                day = _DAY.match(own.partition)
                name = own.step.table
                yield Copied(name, keeper.step.target, self._columns(name), day[1] if day else "", keeper)

    def _small(self) -> Iterator[Copied]:
        for (name,) in self._source.rows(_SMALL):
            yield Copied(name, f"{DATABASE}.{name}", self._columns(name), "", None)

    def _columns(self, table: str) -> tuple[str, ...]:
        return tuple(row[0] for row in self._source.rows(_COLUMNS, {"table": table}))

    def pieces(self, table: Copied) -> list[tuple[Piece, int]]:
        """Return what a table's rows are sent in, with about how many rows each has."""
        days = self._source.rows(
            f"SELECT {table.day} AS day, count() FROM {DATABASE}.{table.name} GROUP BY day ORDER BY day"  # noqa: S608 - ours
        )
        return [
            (Piece(table, day, bucket, buckets), rows // buckets)
            for day, rows in days
            for buckets in (math.ceil(rows / ROWS_AT_ONCE) if table.time else 1,)
            for bucket in range(buckets)
        ]

    def require_room(self, tables: Sequence[Copied], *, append: bool) -> None:
        """Note what the target has, the first time; refuse if that is more than nothing, unless it may be.

        Raises:
            StartError: it has rows, and nobody said that it may.
        """
        if self._journey.before is not None:
            return
        before = {
            f"{table.name}/{day}": list(sums)
            for table in tables
            if table.keeper
            for day, sums in self._sums(self._target, table.target, table).items()
        }
        if before and not append:
            name, _, day = next(iter(before)).partition("/")
            raise StartError(
                f"the target has rows that did not come from here, in {DATABASE}.{name} of {day}; nothing was sent",
                hint="give --append to add to them, while nobody else writes there; or name an empty server",
            )
        self._journey.start(before)

    def send(self, tables: Sequence[Copied], progress: Progress = lambda _: None) -> int:
        """Copy what is not there yet; return how many pieces were sent.

        Raises:
            CollectorError: the target may have forgotten what an earlier run sent last.
            ClickHouseError, OSError: nobody knows how much of a piece is there; run it again.
        """
        sent = 0
        for table in tables:
            for piece, rows in self.pieces(table):
                if piece.name not in self._journey.done:
                    self._send(piece)
                    sent += 1
                progress(rows)
        return sent

    def _send(self, piece: Piece) -> None:
        if piece.name in self._journey.begun:
            self._require_memory(piece, self._journey.begun[piece.name])
        else:
            self._journey.begin(piece.name)
        columns = ", ".join(f"`{column}`" for column in piece.table.columns)
        rows = f"SELECT {columns} FROM {DATABASE}.{piece.table.name} WHERE {piece.condition}"  # noqa: S608 - ours
        with self._file(rows) as path:
            token = f"{self._prefix}-{piece.name}"
            self._target.insert_file(piece.table.target, path, "Native", block_settings(token))
        self._journey.finish(piece.name)

    @contextlib.contextmanager
    def _file(self, rows: str) -> Iterator[Path]:
        """Give rows as a file of `Native` blocks; by a link, as a folder's name may hold what `file` expands."""
        scratch = self._folder / "scratch"
        scratch.mkdir(exist_ok=True)
        path = scratch / "moved.native"
        path.unlink(missing_ok=True)
        try:
            with tempfile.TemporaryDirectory() as links:
                (Path(links) / "scratch").symlink_to(scratch.absolute())
                self._source.command(f"INSERT INTO FUNCTION file('{links}/scratch/{path.name}', 'Native') {rows}")
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _require_memory(self, piece: Piece, since: float) -> None:
        """Refuse to send a piece again that is there in part or whole, if its token may be forgotten.

        A replicated table is believed for half its window of time. A plain one numbers its blocks, so it tells how many
        came since; but what it remembers it does not sync, so not if the server was started anew.
        """
        keeper = piece.table.keeper
        if not keeper:
            return
        name = piece.table.target.rpartition(".")[2]
        parts = f"database = '{DATABASE}' AND table = '{name}'"
        there = f"SELECT DISTINCT _part FROM {piece.table.target} WHERE {piece.condition}"  # noqa: S608 - ours
        later, count = self._target.rows(
            f"SELECT (SELECT max(max_block_number) FROM system.parts WHERE {parts}) - min(min_block_number), count() "  # noqa: S608
            f"FROM system.parts WHERE {parts} AND name IN ({there})"
        )[0]
        if not count:
            return
        age = time.time() - since
        if keeper.replicated:
            known = 0 <= age < keeper.window_seconds / _MARGIN
        else:
            known = later < keeper.window / _MARGIN and self._target.rows("SELECT uptime()")[0][0] > age + 1
        if not known:
            raise CollectorError(
                f"{piece.name} was on its way when the last run ended, and the target may not know it any more: sent "
                "again it could be there twice; nothing was sent",
                hint=f"drop the target's database {DATABASE} and delete {self._journey.path.name} in the data "
                "directory, then run it again",
            )

    def check(self, tables: Sequence[Copied]) -> list[Checked]:
        """Compare counts and checksums of every day of every table, and what the target's views made of them."""
        found: list[Checked] = []
        before = self._journey.before or {}
        for table in tables:
            if not table.keeper:
                found.append(self._check_small(table))
                continue
            here = self._sums(self._source, f"{DATABASE}.{table.name}", table)
            there = self._sums(self._target, table.target, table)
            for day, (rows, checksum) in here.items():
                old_rows, old = before.get(f"{table.name}/{day}", [0, 0])
                expected = (rows + old_rows, (checksum + old) % 2**64)
                found.append(Checked(table.name, day, expected, there.get(day, (0, 0))))
        copied = {table.name for table in tables}
        if not before and copied >= {table.name for table in self._keepers()}:
            found += [
                Checked(view, "", tuple(self._source.rows(sql)[0]), tuple(self._target.rows(sql)[0]))
                for view, sql in _VIEWS.items()
            ]
        return found

    def _check_small(self, table: Copied) -> Checked:
        """Count the rows that the target lacks: of one that is newer there, it has the newer."""
        key = self._source.rows(
            f"SELECT sorting_key FROM system.tables WHERE database = '{DATABASE}' AND name = '{table.name}'"  # noqa: S608
        )[0][0]
        sql = f"SELECT DISTINCT toString(tuple({key})) FROM {{table}}"  # noqa: S608 - ours
        here = {row[0] for row in self._source.rows(sql.format(table=f"{DATABASE}.{table.name}"))}
        there = {row[0] for row in self._target.rows(sql.format(table=table.target))}
        return Checked(table.name, "", (len(here),), (len(here & there),))

    @staticmethod
    def _sums(database: ClickHouse, name: str, table: Copied) -> dict[str, tuple[int, int]]:
        columns = ", ".join(f"`{column}`" for column in table.columns)
        rows = database.rows(
            f"SELECT {table.day} AS day, count(), sum(cityHash64({columns})) FROM {name} GROUP BY day ORDER BY day"  # noqa: S608
        )
        return {str(day): (int(count), int(checksum)) for day, count, checksum in rows}
