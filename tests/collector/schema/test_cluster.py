"""The schema on a cluster: every statement is one the engine parses, and makes what the plain schema makes, in two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collector.errors import StartError
from collector.schema import migrator
from collector.schema.cluster import Cluster

EVERY_NODE = {"error_resolutions", "model_prices", "removal_scope", "schema_migrations", "tenant_settings"}
# Replicated engines without a Keeper beside: ClickHouse has a small one of its own for its tests. Tables are made in
# it, with paths, macros and settings as they stand; what takes a server is to write to them, and ON CLUSTER.
KEEPER = """<clickhouse><tcp_port>9000</tcp_port><macros><shard>s1</shard><replica>r1</replica></macros>
<zookeeper><implementation>testkeeper</implementation></zookeeper><remote_servers><main><shard>
<internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>9000</port></replica>
</shard></main></remote_servers></clickhouse>"""
COLUMNS = """SELECT table, name, type, default_kind, default_expression, comment FROM system.columns
  WHERE database = 'otel' ORDER BY table, position"""
TABLES = "SELECT name, engine, engine_full FROM system.tables WHERE database = 'otel'"
APPLY = """
import dataclasses, json, sys
from pathlib import Path
from collector.clickhouse import ClickHouse
from collector.load.tables import Tables
from collector.schema import migrator
database = ClickHouse(Path(sys.argv[1]), None, at_once=False)
database.reopen(Path(sys.argv[1]), Path(sys.argv[2]))
for statement in migrator.as_script("main"):
    if not statement.startswith("INSERT") and "\\nINSERT" not in statement:
        database.command(statement.removesuffix(";\\n").replace(" ON CLUSTER 'main'", ""))
tables = Tables(database)
signals = ("traces", "logs", "metrics")
keepers = {signal: [dataclasses.asdict(each) for each in tables.route(signal).keepers] for signal in signals}
print(json.dumps([database.rows(sys.argv[3]), database.rows(sys.argv[4]), keepers], default=str), flush=True)
import os
os._exit(0)  # the tables would try for ever to find their other replicas
"""
SCRIPT = list(migrator.as_script("main"))


def bare(statement: str) -> str:
    """Return a statement without the comments before it."""
    return re.sub(r"\A(--[^\n]*\n)+", "", statement)


@pytest.mark.parametrize("number", range(len(SCRIPT)))
def test_every_statement_parses(engine: Any, number: int) -> None:
    """The engine's own parser takes each statement, and writes it the same when it reads what it wrote."""
    statement = SCRIPT[number]
    assert statement.endswith(";\n")
    once = engine.ask("SELECT formatQuery({q:String})", q=statement.removesuffix(";\n"))[0][0]
    assert engine.ask("SELECT formatQuery({q:String})", q=once)[0][0] == once
    if once.startswith("CREATE"):
        assert " ON CLUSTER main" in once.partition("\n(")[0].partition(" AS ")[0]
        assert not re.search(r"ENGINE = (?!Replicated)\w*MergeTree|non_replicated_", once)
    else:
        assert once.startswith("INSERT INTO otel.")


def test_comments_stay() -> None:
    """What a file explains is printed for the DBA too."""
    plain, clustered = "".join(migrator.as_script()), "".join(SCRIPT)
    comments = [line for line in plain.splitlines() if line.startswith("-- ")]
    assert len(comments) > 100
    assert set(comments) <= set(clustered.splitlines())


def test_subqueries_are_asked_once() -> None:
    """What a view looks up in all shards is answered once and sent along, not asked again by each shard."""
    views = [bare(each) for each in SCRIPT if bare(each).startswith("CREATE OR REPLACE VIEW")]
    found = re.findall(r"(\w+) (?:NOT )?IN \(\s*SELECT", "".join(views))
    assert found
    assert set(found) == {"GLOBAL"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return columns, tables and keepers of the clustered schema, made by the real engines in a process of its own."""
    folder = tmp_path_factory.mktemp("clustered")
    config = folder / "config.xml"
    config.write_text(KEEPER)
    command = [sys.executable, "-c", APPLY, str(folder / "data"), str(config), COLUMNS, TABLES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    columns, tables, keepers = json.loads(done.stdout)
    of_table: dict[str, list[list[str]]] = {}
    for table, *column in columns:
        of_table.setdefault(table, []).append(column)
    return of_table, {name: (engine, full) for name, engine, full in tables}, keepers


def test_each_table_is_made_twice_or_on_every_node(engine: Any, made: Any) -> None:
    """Each table that keeps rows has a replicated local one and a Distributed one to read, or is on every node."""
    _, tables, _ = made
    plain = {name: (kind, full) for name, kind, full in engine.ask(TABLES)}
    expected: set[str] = set()
    for name, (kind, full) in plain.items():
        if kind == "MaterializedView":
            continue
        expected.add(name)
        if name in EVERY_NODE:
            assert tables[name][0] == f"Replicated{kind}"
            assert f"'/clickhouse/tables/main/every-node/otel/{name}', '{{shard}}-{{replica}}'" in tables[name][1]
        elif kind.endswith("MergeTree"):
            expected.add(f"{name}_local")
            local, whole = tables[f"{name}_local"], tables[name]
            assert local[0] == f"Replicated{kind}"
            assert f"'/clickhouse/tables/main/{{shard}}/otel/{name}_local', '{{replica}}'" in local[1]
            assert "replicated_deduplication_window = 100000" in local[1]
            keys = r"(?:PARTITION BY|ORDER BY|TTL) .+?(?= (?:ORDER BY|SETTINGS)|$)"
            assert re.findall(keys, local[1]) == re.findall(keys, full)
            assert whole == ("Distributed", f"Distributed('main', 'otel', '{name}_local')")
        else:
            assert tables[name][0] == kind
    views = {name for name, (kind, _) in tables.items() if kind == "MaterializedView"}
    assert len(views) == sum(kind == "MaterializedView" for kind, _ in plain.values())
    assert set(tables) - views == expected


def test_columns_are_the_same(engine: Any, made: Any) -> None:
    """Each table, view and dictionary has the plain schema's columns, the local table and the Distributed one alike."""
    columns, tables, _ = made
    plain: dict[str, list[list[str]]] = {}
    for table, *column in json.loads(json.dumps(engine.ask(COLUMNS))):
        plain.setdefault(table, []).append(column)
    for name, expected in plain.items():
        if name in tables:
            assert columns[name] == expected, name
        if f"{name}_local" in tables:
            assert columns[f"{name}_local"] == expected, name
    assert {"interactions", "sessions", "transcript", "messages_of_span"} <= set(columns)


def test_the_loader_finds_its_way(engine: Any, made: Any) -> None:
    """What the loader reads off the tables: the local ones, that they are replicated, and every aggregate behind."""
    from collector.load.tables import Tables  # noqa: PLC0415 - beside the embedded engine of this process only

    *_, keepers = made
    for signal in ("traces", "logs", "metrics"):
        plain = Tables(engine.database).route(signal).keepers
        clustered = keepers[signal]
        assert [each["step"]["target"] for each in clustered] == [f"{each.step.target}_local" for each in plain]
        for there, here in zip(clustered, plain, strict=True):
            assert there["replicated"]
            assert there["window_seconds"] == 3600
            assert there["partition"] == here.partition
            assert [each["step"]["target"] for each in there["behind"]] == [
                f"{each.step.target}_local" for each in here.behind
            ]
            assert [each["sum"] for each in there["behind"]] == [each.sum for each in here.behind]
    assert len(keepers["traces"][0]["behind"]) == 4


def test_every_file_is_known() -> None:
    """A file of a kind the template has not learnt is refused before anything runs, and not passed on as it is."""
    cluster = Cluster.of("main", [])
    with pytest.raises(ValueError, match="does not know how to write this"):
        list(cluster.statements("-- More.\nALTER TABLE otel.otel_traces ADD COLUMN x UInt8"))


@pytest.mark.parametrize("name", ["it's", "a b", "", "{a", "1", "a;"])
def test_bad_names(name: str) -> None:
    """What could not be named so in SQL is refused."""
    with pytest.raises(StartError, match="cannot be the name of a cluster"):
        Cluster.of(name, [])


def test_a_macro_is_a_name() -> None:
    """Where each node says in a macro which cluster it is of, the macro is enough."""
    script = "".join(migrator.as_script("{cluster}"))
    assert "ON CLUSTER '{cluster}'" in script
    assert "Distributed('{cluster}', 'otel', 'otel_traces_local')" in script


def test_a_database_without_a_cluster_stays_one(engine: Any) -> None:
    """What was laid out for one server is not called a cluster's: its tables are not replicated."""
    with pytest.raises(StartError, match=r"laid out for a single server; nothing was touched.*leave --clickhouse-clus"):
        migrator.migrate(engine.database, cluster="main")


def test_the_command_prints_it(tmp_path: Path) -> None:
    """`schema print --cluster` prints that script; a bad name is one sentence and exit code 2."""
    command = [sys.executable, "-m", "collector", "schema", "print", "--cluster"]
    done = subprocess.run([*command, "main"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "".join(SCRIPT)
    done = subprocess.run([*command, "no name"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'no name' cannot be the name of a cluster" in done.stderr


def test_a_cluster_takes_a_server(tmp_path: Path) -> None:
    """A cluster without a server is refused by `serve` and `schema migrate`, in a sentence, before anything is made."""
    for verb in (["serve"], ["schema", "migrate"]):
        command = [sys.executable, "-m", "collector", *verb, "--clickhouse-cluster", "main"]
        data = tmp_path / "data"
        done = subprocess.run([*command, "--data-dir", str(data)], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "--clickhouse-cluster main is given and no server; hint: name a node" in done.stderr
        assert not data.exists()
