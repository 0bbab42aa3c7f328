"""One user's rows in ClickHouse: found, deleted, and what was counted from them counted anew.

Nothing may be inserted meanwhile (`Gate.alone`): aggregates are compared with the rows they were made of. Every step
may be done again: what was found is kept in a table (`removal_scope`) until the end, so a second try knows what the
first one deleted.

Rows are deleted by mutations and not by lightweight deletes, which only hide them. There is one a table, for all its
partitions: the engine handles each part of the table for it, if only by a link, and with the two background threads of
the embedded one that takes 0.1 s a part, most of it waiting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.clickhouse import ClickHouse, quoted
from collector.erasure.person import Names, Own, Person, names
from collector.erasure.places import SCOPE, Place, named, others, places, refuse_cluster, texts, theirs
from collector.errors import CollectorError
from collector.load.tables import SEGMENT, Aggregate, Keeper, Tables
from collector.retention.archive import archived

_LOOK_SECONDS = 0.02  # between two looks whether rows are deleted
_LOOK_AT_MOST_SECONDS = 0.2  # later: a look takes 5 ms of a processor, and large tables take minutes
_SOURCES = ("otel_traces", "archived_traces")  # what says of which session a span is
_TRACED = (*_SOURCES, "otel_logs", "archived_logs")
_PICKED_USER = "user_id"
_NAMED_SESSION, _NAMED_TRACE = "named session", "named trace"  # in which the user is named, and maybe others
_WHOM = f"ifNull((SELECT id FROM {SCOPE} WHERE job = {{job:String}} AND kind = 'user' LIMIT 1), char(0))"  # noqa: S608 - ours; nobody is called so


_GOING = """
SELECT table, latest_fail_reason FROM system.mutations
WHERE database = 'otel' AND NOT is_done AND position(command, {job:String}) > 0
ORDER BY latest_fail_reason DESC
"""


class NotDeletedError(CollectorError):
    """ClickHouse does not get on with a mutation."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is left of a user.

    Attributes:
        theirs: rows of theirs by table: not yet deleted.
        mentions: rows of nobody knows whom, in which a value is the user's id, by table and column.
    """

    theirs: dict[str, int]
    mentions: dict[str, int]


class Rows:
    """The rows of one user, over one connection.

    Attributes:
        names: how attributes are called that say whose something is.
        values: the parameters of every condition: tenant, user, job.
        everywhere: whether rows go in which any value is the user's id.
    """

    def __init__(self, database: ClickHouse, person: Person, job: str, *, everywhere: bool) -> None:
        """Read the schema. With `everywhere`, rows go in which any value is the user's id.

        Raises:
            ClickHouseError, OSError: ClickHouse does not answer.
            OnAClusterError: the tables are a cluster's.
        """
        refuse_cluster(database)
        self._database, self.everywhere = database, everywhere
        self.values = {"tenant": person.tenant, "user": person.user, "job": job}
        self.names: Names = names(database)
        self._places = places(database)
        self._partitions: dict[str, list[str]] = {}  # by table, in which there is something of theirs
        self._keepers = [each for each in Tables(database).route("traces").keepers if each.behind]

    def plan(self) -> None:
        """Write down, once, what will be known no more when rows are gone."""
        self._run(self._into_scope("user", "SELECT {user:String} AS id"))
        for sql in (*self._seeds(), *self._alone()):
            self._run(sql)
        self._locate([each for each in self._plain() if each.table in _TRACED])
        for sql in (*self._spans(), *self._groups()):
            self._run(sql)

    def counted(self) -> dict[str, int]:
        """Return how many rows go, by table; only those that have any. It remembers where these are."""
        return self._locate(self._plain())

    def own(self) -> Own:
        """Return the sessions and traces that are the user's alone."""
        found: dict[str, set[str]] = {"session": set(), "trace": set()}
        sql = f"SELECT DISTINCT kind, id FROM {SCOPE} WHERE job = {{job:String}} AND kind IN ('session', 'trace')"  # noqa: S608 - ours
        for kind, each in self._rows(sql):
            found[kind].add(each)
        return Own(frozenset(found["session"]), frozenset(found["trace"]))

    def delete(self) -> None:
        """Delete what was `counted` from every table that is not an aggregate.

        ClickHouse keeps the text of mutations, so the user's id must not be in it: it is read from the plan. All are
        begun before the first is waited for: each takes its time, and loading stands still meanwhile.
        """
        for place in self._plain():
            if self._partitions[place.table]:
                condition = self._here(place).replace("{user:String}", _WHOM)
                self._run(f"ALTER TABLE {place.name} DELETE WHERE {condition} SETTINGS mutations_sync = 0")
        self._settle()

    def count_anew(self) -> None:
        """Replace the groups of aggregates that these rows were in by what the rows that are left say."""
        found = [each for each in self._aggregates() if self._any(f"({self._wanted(each[1])})")]
        for _, aggregate in found:
            there, key = aggregate.step.target, f"{_key(aggregate)} IN ({self._wanted(aggregate)})"
            if self._any(f"{there} WHERE {key}"):  # after a crash they may not be there
                self._run(f"ALTER TABLE {there} DELETE WHERE {key} SETTINGS mutations_sync = 0")
        self._settle()
        for keeper, aggregate in found:
            key, target, wanted = _key(aggregate), aggregate.step.target, self._wanted(aggregate)
            rows = f"SELECT * FROM ({_of(aggregate, keeper.rows)}) WHERE {key} IN ({wanted})"  # noqa: S608 - the database's own SQL
            given = {row[0] for row in self._rows(f"DESCRIBE TABLE ({rows})")}
            columns = ", ".join(column for column in aggregate.columns if column in given)
            self._run(
                f"INSERT INTO {target} ({columns}) SELECT {columns} FROM ({rows}) SETTINGS insert_deduplicate = 0"  # noqa: S608 - as above
            )

    def _settle(self) -> None:
        """Wait until what was begun is done. What was begun before a crash goes on by itself, and is waited for, too.

        Raises:
            NotDeletedError: something cannot be deleted now; ClickHouse goes on trying.
        """
        pause = _LOOK_SECONDS
        while going := self._rows(_GOING):
            if reason := going[0][1]:
                raise NotDeletedError(f"ClickHouse does not get on with {going[0][0]}: {reason}")
            time.sleep(pause)
            pause = min(2 * pause, _LOOK_AT_MOST_SECONDS)

    def look(self) -> Found:
        """Ask every table that has texts what is left."""
        left, mentions = self.counted(), dict[str, int]()
        for place in self._places:
            if not place.is_archive:
                mentions |= mentioned(self._database, place, place.name, self.values)
        for table in [each.table for each in self._places if each.is_aggregate]:
            if named_in := mentions.pop(f"{table}.{_PICKED_USER}", 0):
                left[table] = named_in
        return Found(left, {each: count for each, count in mentions.items() if each.partition(".")[0] not in left})

    def kept_counts(self) -> int:
        """Return of how many groups of aggregates the counts stay, for the rows they count are gone already."""
        kept = 0
        for _, aggregate in self._aggregates():
            found, anew = (
                self._rows(f"SELECT uniqExact(id) FROM ({sql})")[0][0]  # noqa: S608 - ours
                for sql in (self._of_job(aggregate.step.table), self._wanted(aggregate))
            )
            kept += int(found) - int(anew)
        return kept

    def forget_the_plan(self) -> None:
        """Delete what was written down."""
        self._run(f"ALTER TABLE {SCOPE} DELETE WHERE job = {{job:String}} SETTINGS mutations_sync = 2")

    def knew(self) -> bool:
        """Tell whether an aggregate had something of the user, be it that all rows were gone before."""
        groups = ", ".join(quoted(aggregate.step.table) for _, aggregate in self._aggregates())
        return self._any(f"{SCOPE} WHERE job = {{job:String}} AND kind IN ({groups})")

    def tables(self) -> list[str]:
        """Return the tables that are asked."""
        return [each.table for each in self._places if not each.is_archive]

    def _plain(self) -> list[Place]:
        return [each for each in self._places if not each.is_aggregate and not each.is_archive]

    def _theirs(self, place: Place) -> str:
        return theirs(place, self.names, everywhere=self.everywhere)

    def _here(self, place: Place) -> str:
        """Write the condition for their rows where it is known in which partitions these are: the others stay shut."""
        if place.table not in self._partitions:
            return self._theirs(place)
        found = ", ".join(quoted(each) for each in self._partitions[place.table]) or "''"
        return f"_partition_id IN ({found}) AND {self._theirs(place)}"

    def _locate(self, wanted: list[Place]) -> dict[str, int]:
        """Count rows and remember their partitions: each table's attributes are read once for that."""
        counts: dict[str, int] = {}
        for place in wanted:
            found = self._rows(
                f"SELECT _partition_id, count() FROM {place.name} WHERE {self._theirs(place)} GROUP BY 1 ORDER BY 1"  # noqa: S608 - ours
            )
            self._partitions[place.table] = [partition for partition, _ in found]
            if found:
                counts[place.table] = sum(int(count) for _, count in found)
        return counts

    def _seeds(self) -> Iterator[str]:
        """Yield what finds the sessions and traces in which the user is named."""
        for place in self._places:
            if place.table in _TRACED:
                named_in = [f"({quoted(_NAMED_TRACE)}, TraceId)"]
                named_in += [f"({quoted(_NAMED_SESSION)}, SessionId)"] if place.table in _SOURCES else []
                rows = (
                    f"SELECT arrayJoin([{', '.join(named_in)}]) AS seed, seed.1 AS kind, seed.2 AS id "  # noqa: S608 - ours
                    f"FROM {place.name} WHERE {place.of_tenant} AND ({named(place, self.names)})"
                )
                yield (
                    f"INSERT INTO {SCOPE} (job, kind, id) SELECT DISTINCT {{job:String}}, kind, id "  # noqa: S608 - ours
                    f"FROM ({rows}) WHERE id != '' SETTINGS insert_deduplicate = 0"
                )

    def _any(self, source: str) -> bool:
        return bool(self._rows(f"SELECT 1 FROM {source} LIMIT 1"))  # noqa: S608 - ours

    def _alone(self) -> Iterator[str]:
        """Yield what finds the sessions, then the traces, that are the user's and nobody else's."""
        in_sessions = " UNION DISTINCT ".join(
            f"SELECT TraceId AS id FROM {each.name} WHERE {each.of_tenant} AND SessionId IN ({self._of_job('session')})"  # noqa: S608 - ours
            for each in self._places
            if each.table in _SOURCES
        )
        traces = f"{self._of_job(_NAMED_TRACE)} UNION DISTINCT {in_sessions}"
        yield self._not_shared("session", _SOURCES, "SessionId", self._of_job(_NAMED_SESSION))
        yield self._not_shared("trace", _TRACED, "TraceId", traces)

    def _not_shared(self, kind: str, tables: tuple[str, ...], column: str, seeds: str) -> str:
        rows = " UNION ALL ".join(
            f"SELECT {column} AS id, {others(each, self.names)} AS other FROM {each.name} "  # noqa: S608 - ours
            f"WHERE {each.of_tenant} AND {column} != '' AND {column} IN ({seeds})"
            for each in self._places
            if each.table in tables
        )
        return self._into_scope(kind, f"SELECT id FROM ({rows}) GROUP BY id HAVING countIf(other) = 0")  # noqa: S608 - ours

    def _spans(self) -> Iterator[str]:
        for place in self._places:
            if place.table in _TRACED:
                rows = f"SELECT TraceId AS id, SpanId AS span FROM {place.name} WHERE {self._here(place)}"  # noqa: S608 - ours
                elsewhere = f"SpanId != '' AND TraceId NOT IN ({self._of_job('trace')})"
                yield self._into_scope("span", f"{rows} AND {elsewhere}", "id, span")

    def _groups(self) -> Iterator[str]:
        """Yield what finds the groups of aggregates that the user's rows are in, or that name the user."""
        for keeper, aggregate in self._aggregates():
            place = next(each for each in self._places if each.name == keeper.step.target)
            key, added = _key(aggregate), f"sum({aggregate.sum or '0'}) AS added"
            brought = " UNION DISTINCT ".join(
                f"SELECT {key} AS id FROM ({_of(aggregate, rows)})"  # noqa: S608 - the database's own SQL
                for rows in (f"{keeper.rows} WHERE {self._here(place)}", *self._archived(place))
            )
            if self._names_people(aggregate):
                named_in = f"SELECT {key} AS id FROM {aggregate.step.target} WHERE tenant = {{tenant:String}}"  # noqa: S608 - ours
                brought += f" UNION DISTINCT {named_in} AND finalizeAggregation({_PICKED_USER}) = {{user:String}}"
            touched = f"touched {aggregate.step.table}"
            yield self._into_scope(touched, brought)
            sides = (
                f"(SELECT {key} AS id, {added} FROM ({source}) WHERE {key} IN ({self._of_job(touched)}) GROUP BY id)"  # noqa: S608 - the database's own SQL
                for source in (_of(aggregate, keeper.rows), f"SELECT * FROM {aggregate.step.target}")  # noqa: S608 - as above
            )
            kept, there = sides
            rows = (
                f"SELECT DISTINCT g.id AS id, kept.added >= there.added AS whole FROM ({self._of_job(touched)}) AS g "  # noqa: S608 - as above
                f"LEFT JOIN {kept} AS kept ON kept.id = g.id LEFT JOIN {there} AS there ON there.id = g.id"
            )
            yield self._into_scope(aggregate.step.table, rows, "id, whole")

    def _archived(self, place: Place) -> list[str]:
        """Return the SELECT of the user's rows that were moved from a table into the archive, where it can be asked."""
        moved = [each for each in self._places if each.table == archived(place.table)]
        return [f"SELECT * FROM {each.name} WHERE {self._theirs(each)}" for each in moved]  # noqa: S608 - ours

    def _aggregates(self) -> Iterator[tuple[Keeper, Aggregate]]:
        for keeper in self._keepers:
            for aggregate in keeper.behind:
                yield keeper, aggregate

    def _names_people(self, aggregate: Aggregate) -> bool:
        return _PICKED_USER in aggregate.columns

    def _wanted(self, aggregate: Aggregate) -> str:
        """Write which groups are counted anew: those of which all rows are there, and all that might name the user."""
        groups = self._of_job(aggregate.step.table)
        return groups if self._names_people(aggregate) else f"{groups} GROUP BY id HAVING argMin(whole, found_at)"

    def _of_job(self, kind: str) -> str:
        return f"SELECT id FROM {SCOPE} WHERE job = {{job:String}} AND kind = {quoted(kind)}"  # noqa: S608 - ours

    def _into_scope(self, kind: str, rows: str, columns: str = "id") -> str:
        return (
            f"INSERT INTO {SCOPE} (job, kind, {columns}) SELECT {{job:String}}, {quoted(kind)}, {columns} "  # noqa: S608 - ours
            f"FROM ({rows}) SETTINGS insert_deduplicate = 0"
        )

    def _run(self, sql: str) -> None:
        self._database.command(sql, self.values)

    def _rows(self, sql: str) -> list[tuple[str, ...]]:
        return [tuple(row) for row in self._database.rows(sql, self.values)]


def mentioned(database: ClickHouse, place: Place, source: str, values: Mapping[str, Any]) -> dict[str, int]:
    """Return in how many of the tenant's rows a value is the user's id, by table and column.

    Raises:
        ClickHouseError, OSError: ClickHouse does not answer.
    """
    columns = list(texts(place))
    counts = ", ".join(f"countIf({condition})" for _, condition in columns)
    [found] = database.rows(f"SELECT {counts} FROM {source} WHERE {place.of_tenant}", values)  # noqa: S608 - ours
    return {f"{place.table}.{column}": int(count) for (column, _), count in zip(columns, found, strict=True) if count}


def _key(aggregate: Aggregate) -> str:
    """Write the key of a group as one text."""
    return f"toString(({aggregate.keys},))"


def _of(aggregate: Aggregate, rows: str) -> str:
    """Write what an aggregate's view makes of these rows of its keeper."""
    return aggregate.step.select.replace(SEGMENT, rows)
