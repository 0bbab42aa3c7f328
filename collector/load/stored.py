"""What ClickHouse has of a segment, asked where the answer decides how to go on.

An insert whose answer was lost has happened, or not, or in part: a crash between two partitions or between two tables
leaves those before it. Sending the same segment again under the same token completes whatever is missing and stores
nothing twice, as long as every table still remembers the token. Tables remember the last
`non_replicated_deduplication_window` blocks; replicated ones forget after `replicated_deduplication_window_seconds`,
too. So two questions are asked of a segment that may have been sent:

1. Is the token remembered for certain? A plain table numbers its blocks: so many were written since the one that holds
   these rows. A merged part counts from its oldest block. A replicated table is believed for half its window of time.
2. If not: which of its partitions are there? A segment is one block in each, so a partition is there whole or not at
   all, and only the others are sent.

What is there may lack in the aggregates behind; they are completed first (`behind.py`), partition by partition, because
an earlier completion may have put them there one after the other.

A plain table's memory of tokens is a file that ClickHouse never syncs. So a server that was started anew since the
segment was sent is not believed: its machine may have lost its power.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from collector.clickhouse import ClickHouse, quoted
from collector.load.behind import Behind
from collector.load.decoder import Decoder
from collector.load.sql_settings import block_settings
from collector.load.tables import DATABASE, Keeper, Tables

_MARGIN = 2  # tables behind may be fed from several sides and so forget earlier than the one that is asked
_SKEW = 86_400  # seconds by which the clocks of collector and server may differ at most
_JUMP = 3600  # seconds by which the collector's clock may have been set since an earlier process began a segment
_PARTITIONS = 32  # of a segment that are looked at one by one


class Stored:
    """Asks, and sends what is missing."""

    def __init__(self, database: ClickHouse, tables: Tables, decoder: Decoder) -> None:
        """Ask and insert through this connection."""
        self._database = database
        self._tables = tables
        self._decoder = decoder
        self._behind = Behind(database)

    def among(self, signal: str, names: Iterable[str]) -> set[str]:
        """Return those of these segments that ClickHouse has any row of. Raises ClickHouseError, OSError."""
        wanted = set(names)
        if not wanted:
            return set()
        first, last = min(wanted), max(wanted)
        found: set[str] = set()
        for keeper in self._tables.route(signal).keepers:
            sql = f"""
                SELECT DISTINCT JournalSegment FROM {keeper.step.target}
                WHERE JournalSegment >= {quoted(first)} AND JournalSegment <= {quoted(last)} AND {_young(keeper, first)}
            """  # noqa: S608 - tables of ours
            found.update(row[0] for row in self._database.rows(sql))
        return wanted & found

    def remembers(self, signal: str, name: str, since: float | None = None) -> bool:
        """Tell whether every table certainly still knows the token of a segment it has rows of; see `was_restarted`."""
        keepers = self._tables.route(signal).keepers
        if not all(keeper.replicated for keeper in keepers) and self.was_restarted(name, since):
            return False
        return all(self._knows(keeper, name) for keeper in keepers)

    def _knows(self, keeper: Keeper, name: str) -> bool:
        if keeper.replicated:
            return time.time() - _birth(name) < keeper.window_seconds / _MARGIN
        parts = f"database = '{DATABASE}' AND table = '{keeper.step.table}'"
        sql = f"""
            SELECT
              (SELECT max(max_block_number) FROM system.parts WHERE {parts}) - min(min_block_number),
              count()
            FROM system.parts
            WHERE {parts} AND name IN (SELECT DISTINCT _part FROM {keeper.step.target} WHERE {_of(keeper, name)})
        """  # noqa: S608 - tables of ours
        later, parts_found = self._database.rows(sql)[0]
        return not parts_found or later < keeper.window / _MARGIN

    def was_restarted(self, name: str, since: float | None = None) -> bool:
        """Tell whether a server may have been started since a segment was sent; the embedded engine was not.

        Args:
            name: of the segment.
            since: when it was first sent, by the monotonic clock, if this process sent it.
        """
        if self._database.embedded:
            return False
        age = time.time() - _birth(name) + _JUMP if since is None else time.monotonic() - since + 1
        return int(self._database.rows("SELECT uptime()")[0][0]) <= age

    def complete(self, path: Path, signal: str, name: str) -> None:
        """Insert what of a segment is not there: whole partitions, and in the aggregates behind.

        Raises:
            ClickHouseError, OSError: nobody knows how much of it happened; ask again.
        """
        route = self._tables.route(signal)
        zone = str(self._database.rows("SELECT serverTimezone()")[0][0])
        for keeper in route.keepers:
            there = self._partitions(keeper, name)
            self._complete_behind(keeper, name, there)
            if there and not keeper.partition:
                continue
            where = f"{_partition(keeper)} NOT IN ({', '.join(map(quoted, there))})" if there else "1"
            with self._decoder.rows(path, route, keeper.step, where, zone) as rows:
                if rows:
                    settings = block_settings(f"{name}-rest")
                    self._database.insert_file(keeper.step.target, rows, "Native", settings)

    def _complete_behind(self, keeper: Keeper, name: str, there: list[str]) -> None:
        """Let the aggregates behind a keeper have those partitions of a segment that it has itself."""
        rows = f"{keeper.rows} WHERE {_of(keeper, name)}"
        if len(there) > _PARTITIONS:
            self._behind.complete(keeper, rows, f"{name}-behind")
            return
        for each in there:
            self._behind.complete(keeper, f"{rows} AND {_partition(keeper)} = {quoted(each)}", f"{name}-behind-{each}")

    def _partitions(self, keeper: Keeper, name: str) -> list[str]:
        sql = f"SELECT DISTINCT {_partition(keeper)} FROM {keeper.step.target} WHERE {_of(keeper, name)}"  # noqa: S608 - tables of ours
        return [row[0] for row in self._database.rows(sql)]


def _partition(keeper: Keeper) -> str:
    """Return the expression for a row's partition, as text."""
    return f"toString({keeper.partition})" if keeper.partition else "''"


def _of(keeper: Keeper, name: str) -> str:
    """Return the condition for the rows of a segment."""
    return f"JournalSegment = {quoted(name)} AND {_young(keeper, name)}"


def _young(keeper: Keeper, name: str) -> str:
    """Return the condition by which only parts are read that were written since a segment was begun.

    Those are named, too, that were merged away: which parts a query reads is settled before this is asked.
    """
    return f"""_part IN (
        SELECT name FROM system.parts WHERE database = '{DATABASE}' AND table = '{keeper.step.table}'
        AND modification_time >= toDateTime({_birth(name) - _SKEW}))"""  # noqa: S608 - tables of ours


def _birth(name: str) -> int:
    """Read off a segment's name when it was begun, in seconds since 1970."""
    return int(name.partition("-")[0]) // 10**9
