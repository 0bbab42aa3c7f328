"""`migrate-data`: what the embedded engine stored reads the same on a server, whatever happened on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import warm
from conversations import everything, send_in_parts
from otlp_builders import span, traces
from processes import running
from server_process import ClickHouseServer

from collector.erasure.jobs import Jobs

DAY = 86_400
NOBODY = "http://127.0.0.1:1"
QUANTILES = "p50_duration_ms, p90_duration_ms, p95_duration_ms, p99_duration_ms"  # estimates, by the order of merges
ASKED = {
    "transcript": "SELECT * FROM otel.transcript ORDER BY ALL",
    "sessions": "SELECT * FROM otel.sessions ORDER BY ALL",
    "interactions": "SELECT * FROM otel.interactions ORDER BY ts, span_id",
    "daily_stats": f"SELECT * EXCEPT ({QUANTILES}) FROM otel.daily_stats ORDER BY ALL",
    "traces": "SELECT *, Messages, SessionId FROM otel.otel_traces ORDER BY Timestamp, SpanId",
    "logs": "SELECT * FROM otel.otel_logs ORDER BY Timestamp, Body",
    "gauges": "SELECT * FROM otel.otel_metrics_gauge ORDER BY ALL",
    "histograms": "SELECT * FROM otel.otel_metrics_exponential_histogram ORDER BY ALL",
    "span_messages": "SELECT * FROM otel.span_messages FINAL ORDER BY ALL",
    "trace_ids": "SELECT TraceId, min(Start), max(End) FROM otel.otel_traces_trace_id_ts GROUP BY TraceId ORDER BY ALL",
    "prices": "SELECT * EXCEPT (inserted_at) FROM otel.model_prices FINAL ORDER BY ALL",
    "notes": "SELECT * FROM otel.error_resolutions FINAL ORDER BY ALL",
    "settings": "SELECT tenant, session_idle_seconds FROM otel.tenant_settings FINAL ORDER BY ALL",
}
# Ends the process at one moment of one of the pieces it sends: behind the note that it begins, while the target has it
# in hand, before the note that it is there, or behind that one.
KILLED = """
import os, signal, threading
from collector import clickhouse, transfer

last, moment = os.environ["KILL_AT"].split(" ", 1)
sent = 0


def end():
    os.kill(os.getpid(), signal.SIGKILL)


def then(call, now):
    def wrapped(*args):
        value = call(*args)
        if sent == int(last) and moment == now:
            end()
        return value
    return wrapped


def insert(*args):
    global sent
    sent += 1
    if sent == int(last) and moment == "begun":
        end()
    if sent == int(last) and moment == "in hand":
        threading.Timer(0.1, end).start()
    insert_file(*args)


insert_file = clickhouse.ClickHouse.insert_file
clickhouse.ClickHouse.insert_file = then(insert, "sent")
transfer.Journey.finish = then(transfer.Journey.finish, "noted")

from collector.__main__ import main

main()
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the data directory of a collector that was stopped, and what it answered."""
    folder = tmp_path_factory.mktemp("embedded") / "data"
    with running(folder, "--batch-seconds", "0.1", "--tenant-idle-seconds", "acme=5") as collector:
        send_in_parts(collector, everything(2 * DAY))
        error = collector.ask("SELECT trace_id, span_id FROM otel.interactions WHERE type = 'error' LIMIT 1")[0]
        path = f"/api/errors/{error['trace_id']}-{error['span_id']}/resolve"
        collector.post(path, b'{"note": "seen"}', {"content-type": "application/json"}).raise_for_status()
        answers = {name: collector.ask(sql) for name, sql in ASKED.items()}
    assert all(answers.values())
    return folder, answers


@pytest.fixture
def data(kept: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """Return a copy of it: what is under way is noted in the directory."""
    shutil.copytree(kept[0], tmp_path / "da{t}a", symlinks=True)  # a name that ClickHouse takes for a pattern
    return tmp_path / "da{t}a"


def command(data: Path, url: str, *more: str) -> list[str]:
    """Return the command."""
    return ["migrate-data", "--data-dir", str(data), "--to", url, *more]


def run(data: Path, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    done = warm.run(command(data, url, *more))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def journey(data: Path) -> list[dict[str, Any]]:
    """Return what it noted."""
    found = [json.loads(line) for file in data.glob("moved-to-*.jsonl") for line in file.read_text().splitlines()]
    return list(found)


def assert_same(server: ClickHouseServer, expected: dict[str, Any]) -> None:
    """Ask the server what the collector was asked."""
    for name, sql in ASKED.items():
        assert server.ask(sql) == expected[name], name


def test_reads_the_same(kept: tuple[Path, dict[str, Any]], data: Path, bare: ClickHouseServer) -> None:
    """Everything is copied, checked, and said to be right; again, nothing is sent and all is right still.

    Then a row goes away on the target: it is told, by table and day, with exit code 1.
    """
    foretold = run(data, bare.url, "--dry-run")
    assert foretold.returncode == 2
    assert "--dry-run writes nothing" in foretold.stderr
    assert bare.ask("SELECT count() AS n FROM system.databases WHERE name = 'otel'") == [{"n": 0}]
    done = run(data, bare.url)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar where nobody looks
    assert "otel_traces 20" in done.stdout
    assert "sessions: 5 rows, ok\n" in done.stdout
    assert "DIFFERS" not in done.stdout
    again = run(data, bare.url)
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "0 inserts sent")
    assert_same(bare, kept[1])
    foretold = run(data, bare.url, "--dry-run")
    assert foretold.returncode == 0
    assert "otel_traces -> otel.otel_traces: " in foretold.stdout
    delete = "ALTER TABLE otel.otel_logs DELETE WHERE Body = 'line 3' SETTINGS mutations_sync = 2"
    httpx.post(bare.url, content=delete).raise_for_status()
    done = run(data, bare.url)
    assert done.returncode == 1
    assert "rows, DIFFERS, there should be" in done.stdout
    assert "1 of these differ" in done.stderr


def test_killed_on_the_way(
    kept: tuple[Path, dict[str, Any]], data: Path, server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed again and again, between a piece and its note and within a piece: in the end everything is there once."""
    script = data.with_name("killed.py")
    script.write_text(KILLED)
    server.faults(slow=0.2)
    for last, moment in ((2, "begun"), (3, "in hand"), (4, "sent"), (3, "noted")):
        before = len(journey(data))
        monkeypatch.setenv("KILL_AT", f"{last} {moment}")
        done = subprocess.run([sys.executable, script, *command(data, server.url)], check=False, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert len(journey(data)) > before
    assert not any("model_prices" in str(each) for each in journey(data))  # there is more to come
    server.faults(lie=1)  # it happens, and an error is answered
    done = run(data, server.url)
    assert done.returncode == 1
    assert "run it again: what is there is not sent twice" in done.stderr
    server.faults()
    done = run(data, server.url)
    assert done.returncode == 0, done.stdout
    begun = [each["begun"] for each in journey(data) if "begun" in each]
    assert len(begun) == len(set(begun))
    assert_same(server, kept[1])


def test_what_the_target_may_have_forgotten(data: Path, server: ClickHouseServer) -> None:
    """A piece whose answer was lost before the target was started anew is not sent again by guess."""
    server.faults(lie=1)
    assert run(data, server.url).returncode == 1
    before = server.ask("SELECT count() AS n FROM otel.otel_traces")
    server.faults()
    server.kill()
    server.start()
    done = run(data, server.url)
    assert done.returncode == 1
    assert "the target may not know it any more" in done.stderr
    assert server.ask("SELECT count() AS n FROM otel.otel_traces") == before != [{"n": 0}]


def test_others_have_written_there(data: Path, server: ClickHouseServer, tmp_path: Path) -> None:
    """A server with rows of others is refused, and untouched; with --append both are there, and both add up."""
    with running(tmp_path / "other", "--clickhouse-url", server.url, "--batch-seconds", "0.1") as other:
        other.send(traces(span("of another", {"interaction.type": "event", "session.id": "another"})))
        other.wait_until_stored()
    done = run(data, server.url)
    assert done.returncode == 2
    assert "rows that did not come from here" in done.stderr
    assert "--append" in done.stderr
    assert server.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 1}]
    done = run(data, server.url, "--append")
    assert done.returncode == 0, done.stdout + done.stderr
    found = server.ask("SELECT count() AS n, countIf(session_id = 'another') AS other FROM otel.sessions")
    assert found == [{"n": 6, "other": 1}]


def test_to_a_cluster_table_by_table(kept: tuple[Path, dict[str, Any]], data: Path, tmp_path: Path) -> None:
    """To a node of a cluster rows go into its local tables, and are read back on all shards.

    --tables copies these alone, and what views make of them; a name that is none is refused with those that are.
    """
    server = ClickHouseServer(tmp_path / "cluster", shards=2)
    server.start()
    done = run(data, server.url, "--cluster", "main", "--tables", "otel_logs, nothing")
    assert done.returncode == 2
    assert "--tables names 'nothing', which is not copied; hint: it takes otel_traces, otel_logs" in done.stderr
    assert run(data, server.url, "--cluster", "main", "--tables", "otel_logs").returncode == 0
    assert server.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 0}]
    assert server.ask("SELECT count() AS n FROM otel.otel_logs")[0]["n"] > 8
    done = run(data, server.url, "--cluster", "main")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("transcript", "sessions", "interactions", "daily_stats", "traces", "logs"):
        assert sorted(map(str, server.ask(ASKED[name]))) == sorted(map(str, kept[1][name])), name
    server.kill()


def test_not_now(data: Path, tmp_path: Path) -> None:
    """A running collector, a journal that is not loaded, no data, a bad address: a sentence each, and exit code 2.

    What is wrong here is said before anybody is asked there.
    """
    with running(data):
        done = run(data, NOBODY)
        assert (done.returncode, "in use by another collector" in done.stderr) == (2, True)
    segment = data / "journal" / "01790000000000000000-1a2b3c4d-traces.ready"
    segment.write_bytes(b"")
    done = run(data, NOBODY)
    assert (done.returncode, "1 segments of the journal are not in ClickHouse yet" in done.stderr) == (2, True)
    segment.unlink()
    jobs = Jobs(data / "erasures", data / "audit.jsonl")
    asked = jobs.ask("default", "ann", "", "", everywhere=False)
    done = run(data, NOBODY)
    assert (done.returncode, "1 users are not erased yet; hint: start the collector" in done.stderr) == (2, True)
    jobs.finish(asked, "unknown")
    (data / "archive").mkdir(exist_ok=True)
    (data / "archive" / "unit.json").write_text("{}")
    done = run(data, NOBODY)
    assert (done.returncode, "a day is in the archive and not yet deleted" in done.stderr) == (2, True)
    (data / "archive" / "unit.json").unlink()
    done = run(tmp_path / "nothing", NOBODY)
    assert (done.returncode, "there is no embedded ClickHouse in" in done.stderr) == (2, True)
    assert not (tmp_path / "nothing").exists()
    done = run(data, "server:8123")
    assert (done.returncode, "it must look like http://user:password@host:8123" in done.stderr) == (2, True)
    done = run(data, NOBODY)
    assert (done.returncode, "the ClickHouse server does not answer" in done.stderr) == (2, True)
