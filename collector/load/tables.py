"""Where the rows of a segment go: read from the database itself, so that no list of tables stands here.

    inbox ──view──> keeper ──view──> keeper …      (traces, logs)
    inbox ──view──> Null   ──view──> keeper …      (a view that feeds several)

A segment enters through the *inbox* of its signal, a table that keeps nothing and whose column is the nested OTLP
message. Materialized views take it from there. The *first keepers* are the tables that hold its rows first; each has
the column `JournalSegment`, so they can be asked what they have of a segment. What stands *behind* them are aggregates,
which do not say where a row of theirs comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from collector.clickhouse import ClickHouse, quoted
from collector.errors import CollectorError

DATABASE = "otel"
SEGMENT = "{segment}"  # stands in a step's select for the segment
_TARGET = re.compile(r"^CREATE MATERIALIZED VIEW \S+ TO ((?:\w+|`[^`]+`)\.(?:\w+|`[^`]+`))")
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
_WINDOW_SECONDS = re.compile(r"\breplicated_deduplication_window_seconds = (\d+)")
_DEFAULT_WINDOW_SECONDS = 3600  # ClickHouse's
_SUM = re.compile(r"^SimpleAggregateFunction\(sum, UInt64\)$")
_NEWEST = "newest_segment"
_ALL = (
    2**64 - 1
)  # rows: a limit keeps SQL around it out of the SQL within, which else is computed again for each mention
_REPEATABLE = re.compile(r"^(?:Simple)?AggregateFunction\((?:min|max|argMin|argMax)(?:If)?, ")
_TABLES = f"""
SELECT name, engine, engine_full, partition_key, sorting_key, create_table_query, as_select, dependencies_table
FROM system.tables WHERE database = '{DATABASE}'
"""  # noqa: S608 - ours
_COLUMNS = f"""
SELECT table, name, type, default_kind, default_expression FROM system.columns
WHERE database = '{DATABASE}' ORDER BY table, position
"""  # noqa: S608 - ours
_STRUCTURE = f"""
SELECT arrayStringConcat(groupArray(concat(name, ' ', type)), ', ')
FROM
(
  SELECT name, type FROM system.columns
  WHERE database = '{DATABASE}' AND table = {{table:String}} ORDER BY position
)
"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Step:
    """What one materialized view makes of a segment.

    Attributes:
        view: its name.
        target: the table its rows go to, with the database.
        select: its SQL. Where it reads the inbox it says `{SEGMENT}`, and the views between stand in it as subqueries.
    """

    view: str
    target: str
    select: str

    @property
    def table(self) -> str:
        """The target without its database."""
        return self.target.rpartition(".")[2].strip("`")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A table behind a keeper, of the engine AggregatingMergeTree.

    Attributes:
        step: how the rows come to it; `{SEGMENT}` stands where the keeper is read.
        columns: of the table.
        keys: by which it groups.
        sum: a column that adds up, and so tells whether a block is in it; "" where blocks may come twice without harm.
        newest: a column with the name of the newest segment that is in it, "" for none.
    """

    step: Step
    columns: tuple[str, ...]
    keys: str
    sum: str
    newest: str


@dataclass(frozen=True, slots=True)
class Keeper:
    """A table that holds rows of a segment first.

    Attributes:
        step: how the rows come to it.
        rows: SELECT of every column of its rows, those that it computes itself included.
        partition: the expression of its partitions, "" for none.
        replicated: whether its memory of tokens is Keeper's, which forgets after a time; else it forgets by number.
        window: how many blocks' tokens it remembers, 0 for none.
        window_seconds: how long Keeper remembers a token.
        behind: the aggregates it feeds.
    """

    step: Step
    rows: str
    partition: str
    replicated: bool
    window: int
    window_seconds: int
    behind: tuple[Aggregate, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one signal's segments.

    Attributes:
        inbox: the table a segment is inserted into, with the database.
        structure: the inbox's columns, as a table function takes them.
        entries: the views that read the inbox itself.
        steps: every view that sees the segment, in the order of the way.
        keepers: the first keepers.
    """

    inbox: str
    structure: str
    entries: list[Step]
    steps: list[Step]
    keepers: list[Keeper]


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    engine: str
    engine_full: str
    partition: str
    sorting: str
    create: str
    select: str
    views: list[str]
    types: dict[str, str] = field(default_factory=dict)  # of its columns, in order
    computed: dict[str, str] = field(default_factory=dict)  # columns that the table itself adds to the rows it gets
    fleeting: dict[str, str] = field(default_factory=dict)  # columns those are computed from, which are not stored


class InboxMissing(CollectorError):
    """The database has no table that takes the segments of a signal."""


class Tables:
    """The routes of all signals, each read once, when the first segment of it comes."""

    def __init__(self, database: ClickHouse) -> None:
        """Nothing is asked yet."""
        self._database = database
        self._routes: dict[str, Route] = {}

    def route(self, signal: str) -> Route:
        """Return the way of a signal's segments.

        Raises:
            ClickHouseError, OSError: ClickHouse does not answer.
            InboxMissing: there is no such inbox.
        """
        if signal not in self._routes:
            self._routes[signal] = self._read(signal)
        return self._routes[signal]

    def _read(self, signal: str) -> Route:
        tables = {row[0]: _Table(*row) for row in self._database.rows(_TABLES)}
        for table, column, kind, given, expression in self._database.rows(_COLUMNS):
            if not (known := tables.get(table)):  # it was made just now
                continue
            value = f"CAST({expression}, {quoted(kind)}) AS `{column}`"
            if given == "EPHEMERAL":
                known.fleeting[column] = value
                continue
            known.types[column] = kind
            if given == "MATERIALIZED":
                known.computed[column] = value
        name = f"otlp_{signal}"
        if name not in tables:
            raise InboxMissing(
                f"ClickHouse has no table {DATABASE}.{name}", hint="run `otel-interactions schema migrate`"
            )
        structure = self._database.rows(_STRUCTURE, {"table": name})[0][0]
        entries = list(_steps(tables, name, SEGMENT))
        return Route(
            inbox=f"{DATABASE}.{name}",
            structure=str(structure),
            entries=entries,
            steps=list(_all_steps(tables, entries)),
            keepers=list(_keepers(tables, entries)),
        )


def _steps(tables: dict[str, _Table], source: str, subquery: str) -> Iterator[Step]:
    """Yield the views that read a table, with `subquery` in its place."""
    for name in sorted(tables[source].views):
        view = tables.get(name)  # None: the operator's own, in another database
        target = _TARGET.match(view.create) if view else None
        if view and target and target[1].startswith(f"{DATABASE}."):  # else the operator's own: its rows go elsewhere
            select = re.sub(rf"\bFROM {DATABASE}\.`?{source}`?(?![\w.])", lambda _: f"FROM ({subquery})", view.select)
            yield Step(name, target[1], select)


def _all_steps(tables: dict[str, _Table], steps: list[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        rows = f"SELECT * FROM ({_rows(tables, step)}) LIMIT {_ALL}"  # noqa: S608 - the database's own SQL
        yield from _all_steps(tables, list(_steps(tables, step.table, rows)))


def _rows(tables: dict[str, _Table], step: Step) -> str:
    """Return the SQL of a view's rows as the views behind it get them: in its target's types, with what that adds."""
    table, made = tables[step.table], tables[step.view].types
    casts = ", ".join(
        f"CAST(`{column}`, {quoted(table.types[column])}) AS `{column}`"
        for column, kind in made.items()
        if table.types.get(column, kind) != kind
    )
    rows = f"SELECT * REPLACE ({casts}) FROM ({step.select})" if casts else step.select  # noqa: S608 - the database's own SQL
    for added in filter(None, (table.fleeting, table.computed)):
        rows = f"SELECT {', '.join(['*', *added.values()])} FROM ({rows})"  # noqa: S608 - as above
    return rows


def _keepers(tables: dict[str, _Table], steps: list[Step]) -> Iterator[Keeper]:
    for step in steps:
        table = tables[step.table]
        if table.engine == "Null":
            yield from _keepers(tables, list(_steps(tables, table.name, _rows(tables, step))))
        else:
            yield Keeper(
                step=step,
                rows=f"SELECT {', '.join(['*', *(f'`{column}`' for column in table.computed)])} FROM {step.target}",  # noqa: S608 - a table of ours
                partition=table.partition,
                replicated=table.engine.startswith(("Replicated", "Shared")),
                window=_number(_WINDOW, table.engine_full, 0),
                window_seconds=_number(_WINDOW_SECONDS, table.engine_full, _DEFAULT_WINDOW_SECONDS),
                behind=tuple(_aggregates(tables, table.name)),
            )


def _aggregates(tables: dict[str, _Table], keeper: str) -> Iterator[Aggregate]:
    """Yield the aggregates a keeper feeds of which can be told whether they have a block, or which need not tell.

    Only those of our schema, whose views are called TARGET_from_SOURCE: an operator's own may hold part of the rows.
    """
    for step in _steps(tables, keeper, SEGMENT):
        if not step.view.startswith(f"{step.table}_from_"):
            continue
        table = tables[step.table]
        keys = set(table.sorting.split(", "))
        if table.engine.endswith("AggregatingMergeTree") and keys <= table.types.keys():
            values = {name: kind for name, kind in table.types.items() if name not in keys}
            summed = next((name for name, kind in values.items() if _SUM.match(kind)), "")
            if summed or all(map(_REPEATABLE.match, values.values())):
                newest = _NEWEST if _NEWEST in values else ""
                yield Aggregate(step, tuple(table.types), table.sorting, summed, newest)


def _number(pattern: re.Pattern[str], text: str, otherwise: int) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else otherwise
