"""The schema on a cluster: each statement of a numbered file as ClickHouse Keeper and several shards need it.

    node of a shard:  inbox X (Null) ──view──> X_local (Replicated…) ──view──> Y_local …
    any node:         X (Distributed, for reading) ──> X_local of one replica of each shard

What a view feeds is *sharded*: its table is called `X_local`, and `X` reads it on all shards. What no view feeds is
written by people and the collector, a row at a time (prices, settings, notes, the migrator's ledger), and is kept by
*every* node under its own name. Views from table to table stay on their node, so that an insert into an inbox is one
shard's affair and every table behind it remembers the token of its block; views for people and dictionaries read the
Distributed tables. See README.md here for why.

It is a rewrite of the few headers our files have, and not of the engine's syntax tree: `schema print` and a collector
beside a server have no engine to parse with, comments would be lost, and what is rewritten is ours and tested to parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collector.errors import StartError
from collector.settings import CLUSTER_NAME

# In Keeper: of a replica of a shard, and of a table that every node has.
_OF_SHARD = "'/clickhouse/tables/{cluster}/{{shard}}/otel/{table}', '{{replica}}'"
_OF_ALL = "'/clickhouse/tables/{cluster}/every-node/otel/{table}', '{{shard}}-{{replica}}'"
# Keeper forgets a token by time before it does by number, as long as a shard's table gets fewer than 55 blocks a second
# in the half hour for which the loader believes it (load/stored.py).
_WINDOW = "replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 3600"

_COMMENTS = r"\A(?P<comments>(?:--[^\n]*\n)*)"
_VIEW = re.compile(
    _COMMENTS + r"CREATE MATERIALIZED VIEW IF NOT EXISTS otel\.(?P<view>\w+) TO otel\.(?P<target>\w+) AS\b"
)
_TABLE = re.compile(_COMMENTS + r"CREATE TABLE IF NOT EXISTS otel\.(?P<table>\w+)\n")
_OTHER = re.compile(
    _COMMENTS + r"CREATE (?:DATABASE IF NOT EXISTS \w+|OR REPLACE FUNCTION \w+|OR REPLACE VIEW otel\.\w+"
    r"|DICTIONARY IF NOT EXISTS otel\.\w+)"
)
_ROWS = re.compile(_COMMENTS + r"INSERT INTO otel\.\w+ ")
_ENGINE = re.compile(r"^ENGINE = (\w*)MergeTree(?:\((.*)\))?$", re.MULTILINE)
_PLAIN_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = \d+")
# Answered once by the node that is asked, not by every shard asking all others.
_IN = re.compile(r"\b((?:(?:NOT )?IN|INNER JOIN) \(\s*SELECT\b)")
_NULL = re.compile(r"^ENGINE = Null$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cluster:
    """How the schema is written for one cluster.

    Attributes:
        name: as `system.clusters` lists it, or a macro in braces.
        sharded: the tables of which each shard has its own rows.
    """

    name: str
    sharded: frozenset[str]

    @classmethod
    def of(cls, name: str, statements: Iterable[str]) -> Cluster:
        """Read off the statements of the whole schema which tables are sharded: those that views feed.

        Raises:
            StartError: it is no name of a cluster.
        """
        if not CLUSTER_NAME.fullmatch(name):
            raise StartError(
                f"{name!r} cannot be the name of a cluster",
                hint="name it as system.clusters does, of letters, digits, _ . and -, or by a macro such as {cluster}",
            )
        texts = list(statements)
        fed = {match["target"] for text in texts if (match := _VIEW.match(text))}
        null = {match["table"] for text in texts if (match := _TABLE.match(text)) and _NULL.search(text)}
        return cls(name, frozenset(fed - null))

    def statements(self, sql: str) -> Iterator[str]:
        """Yield what a statement of the plain schema is on the cluster, in the order it has to run.

        Raises:
            ValueError: it is of a kind that no file had so far; this module has to learn it.
        """
        if match := _TABLE.match(sql):
            yield from self._table(sql, match)
        elif match := _VIEW.match(sql):
            yield self._view(sql, match)
        elif match := _OTHER.match(sql):
            yield _IN.sub(r"GLOBAL \1", f"{match[0]}{self._on}{sql[match.end() :]}")
        elif _ROWS.match(sql):
            yield sql
        else:
            raise ValueError(f"cluster.py does not know how to write this for a cluster: {sql}")

    @property
    def _on(self) -> str:
        return f" ON CLUSTER '{self.name}'"

    def _table(self, sql: str, match: re.Match[str]) -> Iterator[str]:
        name = match["table"]
        table, where = (f"{name}_local", _OF_SHARD) if name in self.sharded else (name, _OF_ALL)
        path = where.format(cluster=self.name, table=table)
        body = _ENGINE.sub(lambda engine: _replicated(engine, path), sql[match.end() :])
        header = f"CREATE TABLE IF NOT EXISTS otel.{table}{self._on}\n"
        yield f"{match['comments']}{header}{_PLAIN_WINDOW.sub(_WINDOW, body)}"
        if name in self.sharded:
            yield (
                f"-- {name} of all shards, for reading. It has no sharding key: an insert would not be exactly once.\n"
                f"CREATE TABLE IF NOT EXISTS otel.{name}{self._on} AS otel.{table}\n"
                f"ENGINE = Distributed('{self.name}', 'otel', '{table}')"
            )

    def _view(self, sql: str, match: re.Match[str]) -> str:
        """Write a view from table to table: it is called TARGET_from_SOURCE, which the loader goes by."""
        target = self._local(match["target"])
        view = re.sub(rf"^{match['target']}_from_", f"{target}_from_", match["view"])
        body = re.sub(r"\botel\.(\w+)", lambda found: f"otel.{self._local(found[1])}", sql[match.end() :])
        header = f"CREATE MATERIALIZED VIEW IF NOT EXISTS otel.{view}{self._on} TO otel.{target} AS"
        return f"{match['comments']}{header}{body}"

    def _local(self, table: str) -> str:
        return f"{table}_local" if table in self.sharded else table


def _replicated(engine: re.Match[str], path: str) -> str:
    arguments = ", ".join(filter(None, (path, engine[2])))
    return f"ENGINE = Replicated{engine[1]}MergeTree({arguments})"
