"""The schema goes forward only, each file once, and says no before it touches what it does not know."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.errors import StartError
from collector.schema import migrator

COLUMNS = """SELECT table, name, type, default_kind, default_expression, is_in_partition_key, is_in_sorting_key,
  is_in_primary_key, compression_codec FROM system.columns WHERE database = 'otel' ORDER BY table, position"""
TABLES = "SELECT name, engine_full, as_select FROM system.tables WHERE database = 'otel' ORDER BY name"

APPLY = """
import contextlib, json, sys
from pathlib import Path
from collector.clickhouse import ClickHouse
from collector.schema import migrator
with contextlib.closing(ClickHouse(Path(sys.argv[1]), None)) as database:
    for statement in migrator.as_script():
        assert statement.endswith(";\\n"), statement
        database.command(statement.removesuffix(";\\n"))
    ran_again = migrator.migrate(database)
    columns, tables = database.rows(sys.argv[2]), database.rows(sys.argv[3])
print(json.dumps([ran_again, columns, tables], default=str))
"""


def test_migrating_twice_is_a_no_op(engine: Any) -> None:
    """A second start applies nothing and leaves the ledger as it was."""
    ledger = "SELECT number, name, checksum, applied_at FROM otel.schema_migrations ORDER BY number"
    before = engine.ask(ledger)
    assert migrator.migrate(engine.database) == 0
    assert engine.ask(ledger) == before
    assert [(row[0], row[1], row[2]) for row in before] == [
        (each.number, each.name, each.checksum) for each in migrator.migrations()
    ]


def test_every_statement_runs_twice(engine: Any) -> None:
    """A crash between a statement and its entry in the ledger runs it again: that changes nothing."""
    prices = "SELECT * FROM otel.model_prices ORDER BY ALL"  # the only rows that migrations bring
    before = engine.ask(COLUMNS), engine.ask(TABLES), engine.ask(prices)
    for migration in migrator.migrations():
        engine.database.command(migration.sql)
    assert (engine.ask(COLUMNS), engine.ask(TABLES), engine.ask(prices)) == before


def test_files() -> None:
    """Files are numbered once each, begin with a comment, and hold one statement without a semicolon."""
    found = migrator.migrations()
    numbers = [each.number for each in found]
    assert numbers == sorted(set(numbers))
    assert migrator.newest() == numbers[-1]
    for each in found:
        assert each.sql.startswith("-- "), each.name
        assert ";" not in each.sql, each.name
        words = re.sub(r"--.*|'[^']*'", "", each.sql)
        assert len(re.findall(r"^(?:CREATE|ALTER|DROP|INSERT)\b", words, re.MULTILINE)) == 1, each.name
        assert re.search(r"IF NOT EXISTS|OR REPLACE|^INSERT(?s:.)+NOT IN \(SELECT", words, re.MULTILINE), each.name


def test_the_script_makes_the_same_schema(engine: Any, tmp_path: Path) -> None:
    """What `schema print` says, run by hand on an empty database, is what the migrator makes, ledger included."""
    command = [sys.executable, "-c", APPLY, str(tmp_path / "data"), COLUMNS, TABLES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    ran_again, columns, tables = json.loads(done.stdout)
    assert ran_again == 0
    assert columns == json.loads(json.dumps(engine.ask(COLUMNS), default=str))
    assert tables == json.loads(json.dumps(engine.ask(TABLES), default=str))


class Ledger:
    """The real database with another ledger; whoever writes is caught."""

    def __init__(self, engine: Any, rows: Sequence[tuple[int, str]]) -> None:
        """Answer these rows of number and checksum."""
        self._engine, self._ledger = engine, rows

    def command(self, sql: str) -> None:
        """Nothing may be written."""
        raise AssertionError(sql)

    def rows(self, sql: str) -> list[Sequence[Any]]:
        """Answer."""
        return list(self._ledger) if "FROM otel.schema_migrations" in sql else self._engine.ask(sql)


def known() -> list[tuple[int, str]]:
    """Return the ledger of a database as this version leaves it."""
    return [(each.number, each.checksum) for each in migrator.migrations()]


def test_a_newer_database_is_refused(engine: Any) -> None:
    """A database a newer version wrote is refused with both numbers, and nothing is written."""
    newer = migrator.newest() + 1
    with pytest.raises(StartError, match=f"schema {newer}, this version knows {newer - 1}; nothing was touched"):
        migrator.migrate(Ledger(engine, [*known(), (newer, "x")]))


def test_a_changed_file_is_refused(engine: Any) -> None:
    """A file that ran and differs now is refused by name, and nothing is written."""
    number, _ = known()[4]
    with pytest.raises(StartError, match=r"migration 0005_\w+ differs"):
        migrator.migrate(Ledger(engine, [(n, "changed" if n == number else c) for n, c in known()]))


def test_pending_is_what_is_missing(engine: Any) -> None:
    """An older database lacks exactly the files behind its ledger, in order; looking writes nothing."""
    pending = migrator.pending(Ledger(engine, known()[:-3]))
    assert [each.number for each in pending] == [number for number, _ in known()[-3:]]
    assert migrator.pending(Ledger(engine, known())) == []
