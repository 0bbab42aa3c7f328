"""Aggregates behind a keeper, where a crash may have come between the two and nobody remembers the token.

They do not say which segments are in them. Where the same block may come twice without harm (minima, maxima) it is
inserted again. Where something adds up, the sums of some groups of the segment tell: an aggregate that has all the rows
of a group that the keeper has, or lacks fewer than the segment brought, has the segment's block, for a block is there
whole or not at all. A group of which the keeper has less than the aggregate, because old partitions were dropped, tells
nothing. What is told is wrong only where another block lacks that has the very same groups, and more in each of them.
So many groups are looked at, while nothing else is inserted, the newest segment first, as those lack that came last.

Where all segments meet in the same groups, as in those of a day, that would not be rare. Such an aggregate keeps the
name of the newest segment that is in a group beside the sums: that one is there, a newer one is not, and the sums tell
of the older ones only.
"""

from __future__ import annotations

from collector.clickhouse import ClickHouse, settings_clause
from collector.load.sql_settings import block_settings
from collector.load.tables import SEGMENT, Aggregate, Keeper

_GROUPS = 64  # of a segment that are looked at


class Behind:
    """Completes the aggregates that a keeper feeds."""

    def __init__(self, database: ClickHouse) -> None:
        """Ask and insert through this connection."""
        self._database = database

    def complete(self, keeper: Keeper, rows: str, token: str) -> None:
        """Insert what the aggregates behind a keeper lack of some rows.

        Args:
            keeper: the table that feeds them.
            rows: SELECT of these rows, which the keeper has, and which came in one insert.
            token: under which they are inserted, so that it may be tried again.

        Raises:
            ClickHouseError, OSError: nobody knows how much of it happened; try again.
        """
        for aggregate in keeper.behind:
            if not (aggregate.sum and self._has(keeper, aggregate, rows)):
                self._insert(aggregate, rows, token)

    def _has(self, keeper: Keeper, aggregate: Aggregate, rows: str) -> bool:
        """Tell whether an aggregate has these rows, by the groups that they are in."""
        keys, added = aggregate.keys, f"sum({aggregate.sum}) AS added, {_newest(aggregate)} AS newest"
        sql = f"""
            WITH brought AS (
              SELECT {keys}, {added} FROM ({_of(aggregate, rows)}) GROUP BY {keys} HAVING added > 0
              ORDER BY {keys} LIMIT {_GROUPS}
            )
            SELECT count(), countIf(multiIf(
              there.newest < brought.newest, 0,
              there.newest = brought.newest AND brought.newest != '', 1,
              kept.added - there.added < brought.added))
            FROM brought
            LEFT JOIN (
              SELECT {keys}, {added} FROM ({_of(aggregate, keeper.rows)})
              WHERE ({keys}) IN (SELECT {keys} FROM brought) GROUP BY {keys}
            ) AS kept USING ({keys})
            LEFT JOIN (
              SELECT {keys}, {added} FROM {aggregate.step.target}
              WHERE ({keys}) IN (SELECT {keys} FROM brought) GROUP BY {keys}
            ) AS there USING ({keys})
            WHERE kept.added >= there.added OR (brought.newest != '' AND there.newest <= brought.newest)
            SETTINGS join_use_nulls = 0
        """  # noqa: S608 - the database's own SQL
        groups, complete = self._database.rows(sql)[0]
        return bool(complete) or not groups

    def _insert(self, aggregate: Aggregate, rows: str, token: str) -> None:
        select = _of(aggregate, rows)
        given = {row[0] for row in self._database.rows(f"DESCRIBE TABLE ({select})")}
        columns = ", ".join(column for column in aggregate.columns if column in given)
        settings = settings_clause(block_settings(token))
        self._database.command(
            f"INSERT INTO {aggregate.step.target} ({columns}) SELECT {columns} FROM ({select}) {settings}"  # noqa: S608 - as above
        )


def _of(aggregate: Aggregate, rows: str) -> str:
    """Write what an aggregate's view makes of these rows of its keeper."""
    return aggregate.step.select.replace(SEGMENT, rows)


def _newest(aggregate: Aggregate) -> str:
    """Write the name of the newest segment in a group, '' where nobody keeps it."""
    return f"max({aggregate.newest})" if aggregate.newest else "''"
