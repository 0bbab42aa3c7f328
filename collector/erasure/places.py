"""Where in ClickHouse something of a user may be: every table with texts, read from the database itself.

So no list of tables stands here. What is a user's in a table follows from its columns:

- Rows that name the user: in a column `UserId` or `user_id`, or in any map under a name of `person.Names.user`.
- Rows that name nobody, of a session or a trace that is the user's alone.
- Rows that stand for a single span of the user's (`TraceId` and `SpanId`) and have no attributes of their own.

Rows that say no tenant, such as prices of models, are nobody's.

Values are parameters: {tenant:String}, {user:String}, {job:String}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from collector.clickhouse import ClickHouse, quoted
from collector.erasure.person import Names
from collector.errors import CollectorError

SCOPE = "otel.removal_scope"
ARCHIVED = "archived_"  # tables that read the archive's files are called so
_OURS = frozenset({"schema_migrations", "removal_scope"})  # of no user
_TENANT, _USER, _SESSION, _TRACE, _SPAN = (
    ("Tenant", "tenant"),
    ("UserId", "user_id"),
    ("SessionId", "session_id"),
    ("TraceId", "trace_id"),
    ("SpanId",),
)
_PICKED = re.compile(r"^AggregateFunction\(arg(?:Min|Max)(?:If)?, (?:LowCardinality\()?String\b")
_COLUMNS = """
SELECT t.name, t.engine, c.name, c.type
FROM system.tables AS t JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
WHERE t.database = 'otel' AND (endsWith(t.engine, 'MergeTree') OR t.engine = 'File')
  AND c.default_kind NOT IN ('ALIAS', 'EPHEMERAL')
ORDER BY t.name, c.position
"""


@dataclass(frozen=True, slots=True)
class Place:
    """One table, and its columns with their types."""

    table: str
    engine: str
    columns: dict[str, str]

    @property
    def name(self) -> str:
        """The table with its database."""
        return f"otel.{self.table}"

    @property
    def is_aggregate(self) -> bool:
        """Whether it is computed from other rows, and is computed anew from those that are left."""
        return self.engine.endswith("AggregatingMergeTree")

    @property
    def is_archive(self) -> bool:
        """Whether it reads the files of the archive."""
        return self.engine == "File"

    @property
    def of_tenant(self) -> str:
        """Condition for the tenant's rows; all of them where the table does not say."""
        column = self.column(_TENANT)
        return f"{column} = {{tenant:String}}" if column else "1"

    def column(self, wanted: tuple[str, ...]) -> str:
        """Return the first of these columns that it has, "" for none."""
        return next((f"`{each}`" for each in wanted if each in self.columns), "")

    @property
    def maps(self) -> list[str]:
        """The columns that hold the attributes of a row itself, not of something in it."""
        return [f"`{name}`" for name, kind in self.columns.items() if kind.startswith("Map(")]

    @property
    def inner_maps(self) -> list[str]:
        """The columns that hold attributes of events, links and the like."""
        return [f"`{name}`" for name, kind in self.columns.items() if kind.startswith("Array(Map(")]


class OnAClusterError(CollectorError):
    """A shard cannot be told by another to count its aggregates anew, and what is the user's is told by all shards."""

    def __init__(self) -> None:
        super().__init__(
            "the collector erases nobody on a cluster, where each shard has rows and counts of its own",
            hint='a DBA runs the statements in collector/README.md, "Forgetting on a cluster"',
        )


def refuse_cluster(database: ClickHouse) -> None:
    """Check that all of a user's rows are in the tables here.

    Raises:
        OnAClusterError: some are on other shards.
        ClickHouseError, OSError: ClickHouse does not answer.
    """
    if database.rows("SELECT 1 FROM system.tables WHERE database = 'otel' AND engine = 'Distributed' LIMIT 1"):
        raise OnAClusterError


def places(database: ClickHouse) -> list[Place]:
    """Return every table that has a text. Raises ClickHouseError, OSError."""
    found: dict[str, Place] = {}
    for table, engine, column, kind in database.rows(_COLUMNS):
        found.setdefault(table, Place(table, engine, {})).columns[column] = kind
    return [each for each in found.values() if each.table not in _OURS and _may_name(each) and list(texts(each))]


def _may_name(place: Place) -> bool:
    return place.is_aggregate or bool(place.column(_TENANT))


def named(place: Place, names: Names) -> str:
    """Write the condition for rows that name the user."""
    return _names(place, names, "= {user:String}")


def others(place: Place, names: Names) -> str:
    """Write the condition for rows that name somebody else; their column alone says nothing of who sent them."""
    return _names(place, names, "NOT IN ('', {user:String})")


def _names(place: Place, names: Names, who: str) -> str:
    """Write the condition for rows that name somebody; `who` is what a name compares with, as SQL behind it."""

    def inside(attributes: str) -> str:
        return f"mapExists((k, v) -> v {who} AND k IN {_listed(names.user)}, {attributes})"

    conditions = [f"{column} {who}" for column in (place.column(_USER),) if column and _is_text(place, column)]
    conditions += [inside(each) for each in place.maps]
    conditions += [f"arrayExists(m -> {inside('m')}, {each})" for each in place.inner_maps]
    return _any(conditions)


def theirs(place: Place, names: Names, *, everywhere: bool) -> str:
    """Write the condition for the rows of a table that go."""
    session, trace, span = place.column(_SESSION), place.column(_TRACE), place.column((*_SPAN, "span_id"))
    alone = [f"{session} IN ({_scope('session')})"] if session else []
    alone += [] if session else [f"{_first(each, names.session)} IN ({_scope('session')})" for each in place.maps]
    alone += [f"{trace} IN ({_scope('trace')})"] if trace else []
    conditions = [named(place, names), f"({_any(alone)}) AND NOT ({others(place, names)})"]
    if trace and span and not place.maps:
        conditions.append(f"({trace}, {span}) IN ({_scope('span', 'id, span')})")
    if everywhere:
        conditions += [condition for _, condition in texts(place)]
    return f"{place.of_tenant} AND ({_any(conditions)})"


def _scope(kind: str, columns: str = "id") -> str:
    return f"SELECT {columns} FROM {SCOPE} WHERE job = {{job:String}} AND kind = {quoted(kind)}"  # noqa: S608 - ours


def texts(place: Place) -> Iterator[tuple[str, str]]:
    """Yield each column that holds texts, and the condition for the user's id being a value in it.

    Not the tenant's: where a user is called as the tenant is, that is no trace of the user in every row.
    """
    for name, kind in place.columns.items():
        if name not in _TENANT and (condition := _equal(f"`{name}`", kind)):
            yield name, condition


def _equal(value: str, kind: str) -> str:  # noqa: PLR0911 - one return a kind of column
    """Write that a value of this type is the user's id, or holds it as a value; "" where it cannot."""
    user = "{user:String}"
    if _PICKED.match(kind):
        return f"finalizeAggregation({value}) = {user}"
    kind = re.sub(r"^SimpleAggregateFunction\(\w+, (.*)\)$", r"\1", kind)
    bare = re.sub(r"(?:LowCardinality|Nullable)\((\w+)\)", r"\1", kind)
    if bare == "String":
        return f"ifNull({value} = {user}, 0)" if "Nullable" in kind else f"{value} = {user}"
    if bare == "Map(String, String)":
        return f"has(mapValues({value}), {user})"
    if bare == "Array(String)":
        return f"has({value}, {user})"
    if bare == "Array(Map(String, String))":
        return f"arrayExists(m -> has(mapValues(m), {user}), {value})"
    if bare.startswith("Array(Tuple(") and (fields := re.findall(r"(\w+) String\b", bare)):
        return _any([f"has(tupleElement({value}, {quoted(each)}), {user})" for each in fields])
    return ""


def _is_text(place: Place, column: str) -> bool:
    return place.columns[column.strip("`")].endswith("String") or "String)" in place.columns[column.strip("`")][:22]


def _first(column: str, names: frozenset[str]) -> str:
    """Write the first value under one of these names; '' without one."""
    return f"arrayFirst((v, k) -> v != '' AND k IN {_listed(names)}, mapValues({column}), mapKeys({column}))"


def _listed(names: frozenset[str]) -> str:
    return f"({', '.join(quoted(each) for each in sorted(names))})"


def _any(conditions: list[str]) -> str:
    return " OR ".join(f"({each})" for each in conditions if each) or "0"
