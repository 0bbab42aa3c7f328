"""What tests/benchmarks/seed.py promises of the interactions that questions are measured with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prepared import put_database
from processes import CollectorProcess, running

from collector.query import questions

SEED = Path(__file__).parents[2] / "benchmarks" / "seed.py"
ROWS, UNTIL = 20_000, "2026-03-10 12:00:00"
OF_A_SESSION = """SELECT TraceId, count() AS rows, uniqExact(Tenant) AS tenants, uniqExact(ServiceName) AS services,
  uniqExactIf(UserId, UserId != '') AS users, uniqExactIf(SessionId, NOT SessionIsTrace) AS sessions,
  max(toInt64(Timestamp)) - min(toInt64(Timestamp)) AS seconds
FROM otel.otel_traces GROUP BY TraceId"""
CONTENT = """SELECT groupBitXor(cityHash64(Timestamp, ReceivedAt, TraceId, SpanId, Tenant, Duration,
  toString(SpanAttributes))) AS sum, count() AS rows FROM otel.otel_traces"""
SAID = """SELECT session_id, groupArray(role) AS roles
FROM (SELECT session_id, role FROM otel.transcript WHERE role != 'tool' ORDER BY session_id, ts)
GROUP BY session_id"""


def fill(folder: Path, *flags: str) -> str:
    """Fill a data directory; return what the seed says."""
    put_database(folder)
    command = [sys.executable, SEED, "--data-dir", folder, "--rows", str(ROWS), "--until", UNTIL, *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stderr


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector on interactions that were seeded."""
    folder = tmp_path_factory.mktemp("seed") / "data"
    assert "seed 20261122, 30 days until 2026-03-10 12:00:00 UTC" in fill(folder)
    with running(folder) as collector:
        yield collector


def test_sessions(seeded: CollectorProcess) -> None:
    """All rows of a session are of one trace, one tenant, service and user, and minutes apart at most."""
    traces = seeded.ask(OF_A_SESSION)
    assert {(row["tenants"], row["services"], row["users"], row["sessions"]) for row in traces} == {(1, 1, 1, 1)}
    assert max(row["seconds"] / row["rows"] for row in traces) < 300
    assert sum(row["rows"] for row in traces) == pytest.approx(ROWS, rel=0.15)
    assert len(seeded.ask("SELECT session_id FROM otel.sessions")) == len(traces)


def test_shares(seeded: CollectorProcess) -> None:
    """A tenth of the sessions is of another dialect, one interaction in a hundred failed, sessions are mostly short."""
    dialects = "SELECT Dialect AS dialect, uniqExact(TraceId) AS sessions FROM otel.otel_traces GROUP BY dialect"
    found = {row["dialect"]: row["sessions"] for row in seeded.ask(dialects)}
    assert found.keys() == {"otel_interactions", "otel_genai"}
    assert 0.06 < found["otel_genai"] / sum(found.values()) < 0.14
    (whole,) = seeded.ask("SELECT avg(status = 'error') AS failed, uniqExact(model) AS models FROM otel.interactions")
    assert 0.005 < whole["failed"] < 0.02
    assert whole["models"] == 7  # '' among them
    turns = "SELECT quantilesExact(0.5, 0.99)(assistant_responses) AS turns FROM otel.sessions"
    middle, long = seeded.ask(turns)[0]["turns"]
    assert 5 <= middle <= 10
    assert long > 40


def test_transcripts(seeded: CollectorProcess) -> None:
    """A transcript reads in order, question and answer in turns, whoever recorded it."""
    transcripts = {row["session_id"]: row["roles"] for row in seeded.ask(SAID)}
    assert (
        len(transcripts) == seeded.ask("SELECT count() AS n FROM otel.sessions WHERE assistant_responses > 0")[0]["n"]
    )
    others = "SELECT DISTINCT session_id FROM otel.interactions WHERE dialect != 'otel_interactions'"
    # a model that is told the last 20 messages only does not know that the same was asked before them
    forgetful = {row["session_id"] for row in seeded.ask(others) if len(transcripts.get(row["session_id"], "")) > 20}
    for session in transcripts.keys() - forgetful:
        roles = transcripts[session]
        assert roles == (["user", "assistant"] * len(roles))[: len(roles)], session
    assert len(transcripts) - len(forgetful) > 400


def test_numbers(seeded: CollectorProcess) -> None:
    """The SDK's processes number what they record without a gap."""
    everything = {"since": 0, "grace_seconds": 0.0, "gaps": 10, "complete": True}
    processes = seeded.ask(questions.text("missing_sequence_numbers"), **everything)
    assert processes
    assert {row["missing"] for row in processes} == {0}


def test_the_same_again(seeded: CollectorProcess, tmp_path: Path) -> None:
    """The same seed makes the same rows, another one others."""
    first, same = seeded.ask(CONTENT), fill(tmp_path / "same")
    with running(tmp_path / "same") as collector:
        assert collector.ask(CONTENT) == first
    assert counts(fill(tmp_path / "other", "--seed", "7")) != counts(same)


def counts(told: str) -> str:
    """Return how many rows, sessions and users there are."""
    return told.partition("UTC: ")[2].partition(";")[0]
