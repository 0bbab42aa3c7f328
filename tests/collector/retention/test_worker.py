"""What is archived and what is deleted are the same rows, whoever else writes, archives or erases at that moment."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import traces
from visits import DAY, interaction

from collector.clickhouse import ClickHouse
from collector.request import Request
from collector.retention.archive import Archive
from collector.retention.rules import Rules
from collector.retention.worker import Retention


class Watched(Archive):
    """Does something when a file has its name, and its rows are not deleted yet."""

    then: Callable[[], Any] = staticmethod(lambda: None)

    def offer_table(self, database: ClickHouse, table: str) -> None:  # noqa: ARG002 - the tests' engine has no such table
        """Do it."""
        self.then()


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own, as the engine is everybody's."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    """An empty archive."""
    made = Watched(tmp_path / "archive", tmp_path / "scratch")
    yield made
    made.close()


def retention(engine: Any, archive: Archive, tenant: str, *, name: str = "one", waits: bool = False) -> Retention:
    """Let a tenant's rows go after a day, and nobody else's."""
    rules = Rules(0, {tenant: 1} if tenant else {})
    return Retention(
        lambda: engine.database, archive, rules, threading.Lock(), keep=True, name=name, waits=lambda: waits
    )


def store(engine: Any, tmp_path: Path, request_of: Callable[..., Request], tenant: str) -> None:
    """Store two interactions of ten days ago."""
    spans = (interaction("event", "s", at=time.time_ns() - 10 * DAY) for _ in range(2))
    folder = tmp_path / secrets.token_hex(4)
    folder.mkdir()
    engine.store(folder, request_of(traces(*spans).SerializeToString(), tenant=tenant))


def left(engine: Any, tenant: str) -> list[str]:
    """Return the names of a tenant's spans."""
    sql = "SELECT SpanName FROM otel.otel_traces WHERE Tenant = {tenant:String} ORDER BY 1"
    return [row[0] for row in engine.ask(sql, tenant=tenant)]


def archived(archive: Archive, engine: Any, tenant: str) -> int:
    """Count what the files hold."""
    shape = archive.shape(engine.database, "otel_traces")
    return sum(archive.sums(engine.database, shape, path)[0] for path in archive.files("otel_traces", tenant))


def insert(engine: Any, tenant: str, name: str) -> None:
    """Insert a span of ten days ago as others do, past the journal."""
    into = "INSERT INTO otel.otel_traces (Timestamp, Tenant, SpanName)"
    sql = f"{into} SELECT now() - INTERVAL 10 DAY, {{t:String}}, {{n:String}}"
    engine.database.command(sql, {"t": tenant, "n": name})


def test_rows_of_others_that_come_meanwhile(
    engine: Any, tmp_path: Path, request_of: Callable[..., Request], archive: Watched, tenant: str
) -> None:
    """Rows that somebody inserts by SQL while their day is archived are not deleted with it, but in the next round."""
    store(engine, tmp_path, request_of, tenant)
    insert(engine, tenant, "before")
    archive.then = lambda: insert(engine, tenant, "meanwhile")
    retention(engine, archive, tenant).round(engine.database)
    assert left(engine, tenant) == ["meanwhile"]
    assert archived(archive, engine, tenant) == 3
    archive.then = lambda: None
    retention(engine, archive, tenant).round(engine.database)
    assert left(engine, tenant) == []
    assert archived(archive, engine, tenant) == 4


def test_another_collector_of_the_same_server(
    engine: Any, tmp_path: Path, request_of: Callable[..., Request], archive: Watched, tenant: str
) -> None:
    """One that starts, and clears away what it left itself, does not take away what this one has written down."""
    store(engine, tmp_path, request_of, tenant)
    other = Archive(tmp_path / "other", tmp_path / "scratch")
    archive.then = lambda: retention(engine, other, "", name="two").round(engine.database)
    retention(engine, archive, tenant).round(engine.database)
    other.close()
    assert left(engine, tenant) == []
    assert archived(archive, engine, tenant) == 2


def test_while_somebody_is_erased(
    engine: Any, tmp_path: Path, request_of: Callable[..., Request], archive: Watched, tenant: str
) -> None:
    """Nothing goes before an erasure has ended that goes by the rows that are there."""
    store(engine, tmp_path, request_of, tenant)
    assert retention(engine, archive, tenant, waits=True).round(engine.database) == 0
    assert len(left(engine, tenant)) == 2
    assert retention(engine, archive, tenant).round(engine.database) == 1
    assert left(engine, tenant) == []
