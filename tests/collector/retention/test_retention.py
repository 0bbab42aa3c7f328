"""What is beyond its days goes, by tenant and type; first into the archive, and never without it."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess, add_key, running
from visits import DAY, erased, interaction, send, together

from collector.access.keys import Scope
from collector.query.questions import QueryFailedError

QUICK = ("--batch-seconds", "0.1")
ALL = {"user_message": 6, "ui_event": 3, "event": 1}  # by type, of what is `kept`


def old(days: float) -> int:
    """Return a time so many days ago, nanoseconds since 1970."""
    return time.time_ns() - int(days * DAY)


def types(collector: CollectorProcess, view: str = "interactions") -> dict[str, int]:
    """Count interactions by type."""
    rows = collector.ask(f"SELECT type, count() AS n FROM otel.{view} GROUP BY type")
    return {row["type"]: int(row["n"]) for row in rows}


def wait_until(true: Callable[[], bool], collector: CollectorProcess) -> None:
    """Wait for what the retention does beside."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, collector.log.read_text()[-3000:]
        time.sleep(0.1)


def everything(session: str, days: float) -> list[Any]:
    """Make requests of all signals at one time."""
    at = old(days)
    return [
        traces(
            interaction("user_message", session, "ann", at=at, interaction__message="Hello"),
            interaction("ui_event", session, "ann", at=at),
            span("GET /", {}, start_time_unix_nano=at, end_time_unix_nano=at),
        ),
        logs(
            log_record({"content": "x"}, {"event.name": "gen_ai.user.message"}, time_unix_nano=at, trace_id=b"a" * 16)
        ),
        metrics(*(metric(kind, point(kind, time_unix_nano=at)) for kind in ("gauge", "sum", "histogram", "summary"))),
    ]


class Kept(NamedTuple):
    """A data directory of a collector that was stopped, and what that one said."""

    data: Path
    old: list[dict[str, Any]]
    days: list[dict[str, Any]]

    def copied(self, folder: Path) -> Path:
        """Copy it, for a collector that lets rows go."""
        return shutil.copytree(self.data, folder / "data", symlinks=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Keep rows of all ages and signals, ann's for the most part."""
    data = tmp_path_factory.mktemp("kept") / "data"
    requests = [everything("old", 200), everything("middling", 40), everything("new", 1)]
    bob = interaction("user_message", "of-bob", "bob", at=old(200))
    alone = interaction("user_message", "alone", "ann", at=old(300))
    eve = interaction("user_message", "of-eve", "eve", at=old(40))
    of_2150 = 5_680_281_600 * 10**9 + DAY  # beyond what ClickHouse's Date knows: it is in a partition of 1970
    with running(data, *QUICK, "--retention-days", "0") as collector:
        send(collector, [*together(requests), traces(bob, alone, eve, interaction("event", "new", at=of_2150))])
        assert types(collector) == ALL
        before = collector.ask("SELECT * FROM otel.interactions WHERE ts < now() - INTERVAL 100 DAY ORDER BY span_id")
        days = collector.ask("SELECT sum(interactions) AS n FROM otel.daily_stats")
    return Kept(data, before, days)


@pytest.fixture(scope="module")
def aged(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Let rows go by type and age, into the archive."""
    data = kept.copied(tmp_path_factory.mktemp("aged"))
    with running(data, *QUICK, "--type-retention-days", "ui_event=30,metric=0") as collector:
        wait_until(lambda: len(collector.ask("SELECT 1 FROM otel.sessions")) == 3, collector)
        yield collector


@pytest.fixture(scope="module")
def without(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """Let rows go by type and age, without an archive."""
    data = kept.copied(tmp_path_factory.mktemp("without"))
    with running(data, *QUICK, "--type-retention-days", "user_message=30", "--archive", "off") as collector:
        wait_until(lambda: len(collector.ask("SELECT 1 FROM otel.sessions")) == 3, collector)
        yield collector


def test_by_type_and_age(kept: Kept, aged: CollectorProcess) -> None:
    """Rows go after their days; what was there is in the archive, column by column; daily totals stay."""
    assert types(aged) == {"user_message": 3, "ui_event": 1, "event": 1}
    assert types(aged, "archived_interactions") == {"user_message": 3, "ui_event": 2}
    archived = "SELECT * FROM otel.archived_interactions WHERE ts < now() - INTERVAL 100 DAY ORDER BY span_id"
    assert aged.ask(archived) == kept.old
    assert len(kept.old) == 4
    assert aged.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 7}]
    assert aged.ask("SELECT count() AS n FROM otel.otel_logs") == [{"n": 2}]
    assert aged.ask("SELECT count() AS n FROM otel.archived_logs") == [{"n": 1}]
    assert aged.ask("SELECT count() AS n FROM otel.archived_span_messages") == [{"n": 1}]
    assert aged.ask("SELECT count() AS n FROM otel.otel_metrics_sum") == [{"n": 3}]
    assert aged.ask("SELECT sum(interactions) AS n FROM otel.daily_stats") == kept.days
    assert aged.health()["status"] == "healthy"
    assert len(list((aged.data_dir / "archive").glob("otel_traces/tenant=default/date=*.parquet"))) == 3


def test_erased_from_the_archive(aged: CollectorProcess) -> None:
    """Who is erased is not in the files any more, others are."""
    [told] = erased(aged, "ann")
    assert told["removed"] == {"archived_traces": 4, "otel_traces": 4}  # the event of nobody is in a session of hers
    assert told["left"]["archive"] == 0
    assert aged.ask("SELECT user_id FROM otel.archived_interactions") == [{"user_id": "bob"}]
    assert len(list((aged.data_dir / "archive").glob("otel_traces/*/*.parquet"))) == 1
    assert not stat.S_IMODE((aged.data_dir / "erasures").stat().st_mode) & 0o077


def test_no_archive(without: CollectorProcess) -> None:
    """`--archive off` keeps nothing."""
    assert types(without) == {"user_message": 1, "ui_event": 2, "event": 1}
    assert types(without, "archived_interactions") == {}
    assert not list((without.data_dir / "archive").glob("*/*/*"))


def test_erased_when_only_the_session_is_left(without: CollectorProcess) -> None:
    """Where all rows of a user are gone by age, and the session's row still has the id, that goes: no unknown user."""
    assert without.ask("SELECT 1 FROM otel.otel_traces WHERE UserId = 'eve'") == []
    sessions = "SELECT user_id FROM otel.sessions WHERE session_id = 'of-eve'"
    assert without.ask(sessions) == [{"user_id": "eve"}]
    [told] = erased(without, "eve")
    assert (told["state"], told["removed"]) == ("done", {})
    assert without.ask(sessions) == []


def test_tenants(tmp_path: Path) -> None:
    """Each tenant has its own days; a tenant's key asks SQL about none of the archive."""
    data = tmp_path / "data"
    data.mkdir()
    keys = {tenant: add_key(data, Scope.INGEST, tenant=tenant) for tenant in ("acme", "be.ta")}
    reader, of_acme = add_key(data, Scope.READ, tenant="*"), add_key(data, Scope.READ, tenant="acme")
    with running(data, *QUICK, "--retention-days", "0") as collector:
        collector.key = reader
        for key in keys.values():
            send(collector, everything("s", 60), key)
    with running(data, *QUICK, "--tenant-retention-days", "be.ta=50") as collector:
        collector.key = reader
        counted = "SELECT tenant, count() AS n FROM otel.{} GROUP BY tenant"
        wait_until(lambda: len(collector.ask(counted.format("sessions"))) == 1, collector)
        assert collector.ask(counted.format("interactions")) == [{"tenant": "acme", "n": 2}]
        assert collector.ask(counted.format("archived_interactions")) == [{"tenant": "be.ta", "n": 2}]
        collector.key = of_acme
        with pytest.raises(QueryFailedError, match="Not enough privileges"):
            collector.ask("SELECT count() FROM otel.archived_interactions")


def test_a_folder_that_cannot_be_written(kept: Kept, tmp_path: Path) -> None:
    """Nothing is deleted that was not archived, and health says why; loading goes on."""
    data = kept.copied(tmp_path)
    (data / "archive").write_text("in the way")
    with running(data, *QUICK) as collector:
        wait_until(lambda: collector.health()["status"] == "degraded", collector)
        [reason] = collector.health()["reasons"]
        assert reason.startswith("rows beyond their time stay: ")
        send(collector, everything("new", 1))
        assert types(collector) == ALL | {"user_message": 7, "ui_event": 4}


def test_a_full_disk(kept: Kept, tmp_path: Path, mount: Callable[[Path, str], None]) -> None:
    """Likewise where the archive's disk is full."""
    data = kept.copied(tmp_path)
    mount(data / "archive", "8k")
    with running(data, *QUICK) as collector:
        wait_until(lambda: collector.health()["status"] == "degraded", collector)
        assert "Not a Parquet file" in collector.health()["reasons"][0]  # what fitted was read back
        assert types(collector) == ALL
        assert not list((data / "archive").glob("*/*/*.parquet"))
