"""What is beyond its days goes, by tenant and type; first into the archive, and never without it."""

from __future__ import annotations

import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess, add_key, running
from visits import DAY, erased, interaction, send

from collector.access.keys import Scope
from collector.query.questions import QueryFailedError

QUICK = ("--batch-seconds", "0.1")


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


def test_by_type_and_age(tmp_path: Path) -> None:
    """Rows go after their days; what was there is in the archive, column by column; daily totals stay."""
    data = tmp_path / "data"
    with running(data, *QUICK, "--retention-days", "0") as collector:
        send(collector, [*everything("old", 200), *everything("middling", 40), *everything("new", 1)])
        of_2150 = 5_680_281_600 * 10**9 + DAY  # beyond what ClickHouse's Date knows: it is in a partition of 1970
        send(collector, [traces(interaction("event", "new", at=of_2150))])
        before = collector.ask("SELECT * FROM otel.interactions WHERE ts < now() - INTERVAL 100 DAY ORDER BY span_id")
        days = collector.ask("SELECT sum(interactions) AS n FROM otel.daily_stats")
    with running(data, *QUICK, "--type-retention-days", "ui_event=30,metric=0") as collector:
        wait_until(lambda: len(collector.ask("SELECT 1 FROM otel.sessions")) == 2, collector)
        assert types(collector) == {"user_message": 2, "ui_event": 1, "event": 1}
        assert types(collector, "archived_interactions") == {"user_message": 1, "ui_event": 2}
        kept = collector.ask(
            "SELECT * FROM otel.archived_interactions WHERE ts < now() - INTERVAL 100 DAY ORDER BY span_id"
        )
        assert kept == before
        assert len(kept) == 2
        assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 6}]
        assert collector.ask("SELECT count() AS n FROM otel.otel_logs") == [{"n": 2}]
        assert collector.ask("SELECT count() AS n FROM otel.archived_logs") == [{"n": 1}]
        assert collector.ask("SELECT count() AS n FROM otel.archived_span_messages") == [{"n": 1}]
        assert collector.ask("SELECT count() AS n FROM otel.otel_metrics_sum") == [{"n": 3}]
        assert collector.ask("SELECT sum(interactions) AS n FROM otel.daily_stats") == days
        assert collector.health()["status"] == "healthy"
    assert len(list((data / "archive").glob("otel_traces/tenant=default/date=*.parquet"))) == 2


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


def test_no_archive(tmp_path: Path) -> None:
    """`--archive off` keeps nothing."""
    data = tmp_path / "data"
    with running(data, *QUICK, "--retention-days", "0") as collector:
        send(collector, everything("old", 200))
    with running(data, *QUICK, "--archive", "off") as collector:
        wait_until(lambda: not collector.ask("SELECT 1 FROM otel.sessions"), collector)
        assert types(collector) == {}
        assert types(collector, "archived_interactions") == {}
    assert not list((data / "archive").glob("*/*/*"))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing is deleted that was not archived, and health says why; loading goes on."""
    data = tmp_path / "data"
    with running(data, *QUICK, "--retention-days", "0") as collector:
        send(collector, everything("old", 200))
    (data / "archive").write_text("in the way")
    with running(data, *QUICK) as collector:
        wait_until(lambda: collector.health()["status"] == "degraded", collector)
        [reason] = collector.health()["reasons"]
        assert reason.startswith("rows beyond their time stay: ")
        send(collector, everything("new", 1))
        assert types(collector) == {"user_message": 2, "ui_event": 2}


def test_a_full_disk(tmp_path: Path, mount: Callable[[Path, str], None]) -> None:
    """Likewise where the archive's disk is full."""
    data = tmp_path / "data"
    with running(data, *QUICK, "--retention-days", "0") as collector:
        noise = [interaction("event", "s", at=old(200), filling=secrets.token_hex(20_000)) for _ in range(20)]
        send(collector, [traces(*noise)])
    mount(data / "archive", "200k")
    with running(data, *QUICK) as collector:
        wait_until(lambda: collector.health()["status"] == "degraded", collector)
        assert types(collector) == {"event": 20}
        assert not list((data / "archive").glob("*/*/*.parquet"))


def test_erased_from_the_archive(tmp_path: Path) -> None:
    """Who is erased is not in the files any more, others are."""
    data = tmp_path / "data"
    with running(data, *QUICK, "--retention-days", "0") as collector:
        send(collector, everything("old", 200))
        other = interaction("user_message", "of-bob", "bob", at=old(200))
        alone = interaction("user_message", "alone", "ann", at=old(300))
        send(collector, [traces(other, alone)])
    with running(data, *QUICK) as collector:
        wait_until(lambda: not collector.ask("SELECT 1 FROM otel.sessions"), collector)
        [told] = erased(collector, "ann")
        assert told["removed"] == {"archived_traces": 3}
        assert told["left"]["archive"] == 0
        rows = collector.ask("SELECT user_id FROM otel.archived_interactions")
        assert rows == [{"user_id": "bob"}]
    assert len(list((data / "archive").glob("otel_traces/*/*.parquet"))) == 1
    assert not stat.S_IMODE((data / "erasures").stat().st_mode) & 0o077


def test_erased_when_only_the_session_is_left(tmp_path: Path) -> None:
    """Where all rows of a user are gone by age, and the session's row still has the id, that goes: no unknown user."""
    data = tmp_path / "data"
    with running(data, *QUICK, "--retention-days", "0") as collector:
        send(collector, [traces(interaction("user_message", "s", "ann", at=old(40)))])
    with running(data, *QUICK, "--type-retention-days", "user_message=30", "--archive", "off") as collector:
        wait_until(lambda: not types(collector), collector)
        assert collector.ask("SELECT user_id FROM otel.sessions") == [{"user_id": "ann"}]
        [told] = erased(collector, "ann")
        assert (told["state"], told["removed"]) == ("done", {})
        assert collector.ask("SELECT user_id FROM otel.sessions") == []
