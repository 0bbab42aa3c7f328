"""kill -9 behind every step of an erasure and of the retention: they go on, end right, and never say so early."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from otlp_builders import span, traces
from processes import CollectorProcess, plain_client
from visits import DAY, ROWS, counts, interaction, send, totals, visit

from collector.journal import segment
from collector.load import envelope
from collector.load.dead_letters import DeadLetters, Letter
from collector.query.questions import NotRunningError
from collector.request import Request, Signal

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
QUICK = ("--batch-seconds", "0.1")
ANN = "ann's 100%"
# Counts what the thread in question does that lasts, statements and files, and ends the process behind one of these.
SCRIPT = """
import os, signal, threading
from pathlib import Path
from collector import clickhouse, files
from collector.erasure import jobs

done, last, thread = 0, int(os.environ["KILL_AT"]), os.environ["KILL_THREAD"]


def counted(call):
    def wrapped(*args, **kwargs):
        global done
        value = call(*args, **kwargs)
        if threading.current_thread().name == thread:
            done += 1
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return value
    return wrapped


clickhouse.ClickHouse.command = counted(clickhouse.ClickHouse.command)
files.write_whole, files.rename = counted(files.write_whole), counted(files.rename)
Path.unlink = counted(Path.unlink)
jobs.Jobs._note = counted(jobs.Jobs._note)

from collector.__main__ import main

main()
"""

# Lets an erasure wait a while for what was acknowledged before, as it does where there is much.
SLOW = """
import time
from collector.erasure import worker

await_loading = worker.Eraser._await_loading
worker.Eraser._await_loading = lambda *args: (time.sleep(4), await_loading(*args))

from collector.__main__ import main

main()
"""


@pytest.fixture(autouse=True)
def days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rows go after as many days as a collector does by itself."""
    monkeypatch.setenv("OTEL_INTERACTIONS_RETENTION_DAYS", "90")


def letter(data: Path, requests: list[Any], tenant: str = "default") -> str:
    """Set requests aside as one letter; return its id."""
    made = segment.Segment(data, Signal.TRACES)
    made.append([Request(Signal.TRACES, each.SerializeToString(), 1, tenant, 1, "10.0.0.1") for each in requests])
    path = made.freeze()
    _, frames = segment.read(path)
    path.unlink()
    identity = f"{path.stem}-000000"
    told = Letter(identity, "Code: 36. no", 36, "traces", tenant, "10.0.0.1", 1, requests=len(requests))
    DeadLetters(data / "dead-letters").keep(told, envelope.segment_of(identity, frames))
    return identity


class Lives:
    """Lives of one collector, each longer by so many steps of one of its threads, until one is not ended by it."""

    def __init__(self, data: Path, thread: str, step: int) -> None:
        self.collector = CollectorProcess(data, *QUICK)
        self.script = data.with_suffix(".py")
        self.script.write_text(SCRIPT)
        self.thread, self.step, self.count = thread, max(1, step // ROUNDS), 0

    def next(self, patch: pytest.MonkeyPatch) -> None:
        """Begin another life."""
        self.count += 1
        patch.setenv("KILL_THREAD", self.thread)
        patch.setenv("KILL_AT", str(self.count * self.step))
        self.collector.launch(self.script)

    def ended(self) -> bool:
        """Tell whether this life is over."""
        assert self.collector.process
        return self.collector.process.poll() is not None

    def listens(self) -> bool:
        """Tell whether it can be spoken to by now."""
        with contextlib.suppress(OSError, ValueError):
            self.collector.endpoints = json.loads((self.collector.data_dir / "endpoints.json").read_text())
            return True
        return False


def job(collector: CollectorProcess) -> dict[str, Any]:
    """Read what is on record of the only erasure."""
    [path] = (collector.data_dir / "erasures").glob("*.json")
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def left_of(collector: CollectorProcess) -> int:
    """Count rows of the user's, in the tables and in the archive."""
    sql = "SELECT count() AS n FROM otel.{} WHERE SpanAttributes['user.id'] = {{u:String}} OR SessionId = 's-ann'"
    return sum(int(collector.ask(sql.format(table), u=ANN)[0]["n"]) for table in ("otel_traces", "archived_traces"))


def test_an_erasure_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: PLR0915 - one story
    """Killed again and again, while another user's interactions keep coming: it ends once, with nothing left."""
    data = tmp_path / "data"
    lives = Lives(data, "erasure", 16)
    collector = lives.collector
    collector.start()
    send(collector, [*visit(ANN, "s-ann", "a1" * 16), *visit("bob", "s-bob", "b2" * 16)])
    past = time.time_ns() - 200 * DAY
    send(collector, [traces(*(interaction("user_message", f"old-{user}", user, at=past) for user in (ANN, "bob")))])
    assert collector.stop() == 0
    mixed = letter(data, [traces(span("hers", {"user.id": ANN}), span("his", {"user.id": "bob"}))])
    hers = letter(data, [traces(span("hers", {"user.id": ANN}))])
    others = letter(data, [traces(span("hers", {"user.id": ANN}))], tenant="other")
    collector.start()
    deadline = time.monotonic() + 60
    gone = "SELECT (SELECT count() FROM otel.archived_traces) AS n, (SELECT count() FROM otel.sessions) AS s"
    while collector.ask(gone) != [{"n": 2, "s": 2}]:  # the retention is done, which would wait for the erasure
        assert time.monotonic() < deadline, collector.log.read_text()[-2000:]
        time.sleep(0.1)
    with plain_client() as client:
        asked = client.post(f"http://{collector.endpoints['http']}/api/erasures", json={"user_id": ANN})
    assert asked.json()["state"] == "running"
    collector.kill()

    sent, waiting, due = 0, None, 0.0
    while True:
        lives.next(monkeypatch)
        while not lives.ended() and job(collector)["state"] == "running":
            waiting = waiting or traces(interaction("event", "s-bob", "bob", number=str(sent)))
            if time.monotonic() >= due and lives.listens():  # more often, on a slow machine it would only load these
                with contextlib.suppress(grpc.RpcError):
                    collector.send(waiting)
                    sent, waiting, due = sent + 1, None, time.monotonic() + 1
            time.sleep(0.1)
        if not lives.ended():
            break
        assert lives.count < 60
    told = job(collector)
    collector.wait_until_stored()
    assert lives.count > 3
    assert sent > 3
    assert told["state"] == "done", told
    assert told["removed"] == ROWS | {"archived_traces": 1, "dead-letters": 2}
    assert not any(told["left"].values())
    assert left_of(collector) == 0
    if waiting:
        collector.send(waiting)
        collector.wait_until_stored()
        sent += 1
    assert counts(collector) == ROWS | {"otel_traces": ROWS["otel_traces"] + sent}
    assert totals(collector) == {
        "rows": 3 + sent,
        "sessions": 3 + sent,
        "days": 5 + sent,
    }  # of the old day, the counts stay
    assert told["kept_counts"] == 1
    audit = [json.loads(line) for line in (data / "audit.jsonl").read_text().splitlines()]
    assert [line["event"] for line in audit] == ["asked", "ended"]
    letters = DeadLetters(data / "dead-letters")
    assert letters.ids() == sorted([mixed, others])
    [kept] = letters.requests(letters.get(mixed))
    assert b"his" in kept.body
    assert b"hers" not in kept.body
    letters.ask_replay(letters.get(mixed))
    deadline = time.monotonic() + 30
    while letters.is_wanted(mixed):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert collector.ask("SELECT SpanName AS n FROM otel.otel_traces WHERE SpanName IN ('his', 'hers')") == [
        {"n": "his"}
    ]
    assert hers not in letters.ids()
    collector.stop()


def all_moved(collector: CollectorProcess) -> bool:
    """Tell whether the retention has nothing left to do."""
    days = collector.ask("SELECT uniqExact(toDate(Timestamp)) AS n FROM otel.otel_traces")
    return days == [{"n": 1}] and not collector.ask("SELECT 1 FROM otel.removal_scope")


def test_retention_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed behind each step: every row is in the archive or in ClickHouse at the end, and in one of them only."""
    data = tmp_path / "data"
    lives = Lives(data, "retention", 7)  # a unit has fewer steps than an erasure
    collector = lives.collector
    collector.flags = (*QUICK, "--retention-days", "0")
    collector.start()
    ids = [secrets.token_hex(8) for _ in range(40)]
    now = time.time_ns()
    spans = [
        interaction("event", "s", "bob", at=now - (1 + 99 * (number % 3)) * DAY, span_id=each)
        for number, each in enumerate(ids)
    ]
    send(collector, [traces(*spans[:20]), traces(*spans[20:])])
    assert collector.stop() == 0
    collector.flags = QUICK
    while True:
        lives.next(monkeypatch)
        deadline = time.monotonic() + 60
        while not lives.ended():
            assert time.monotonic() < deadline
            with contextlib.suppress(NotRunningError):  # it may end while it is asked
                if lives.listens() and not (data / "archive" / "unit.json").exists() and all_moved(collector):
                    break
            time.sleep(0.1)
        if not lives.ended():
            break
        assert lives.count < 40
    there = {each["SpanId"] for each in collector.ask("SELECT SpanId FROM otel.otel_traces")}
    moved = [each["SpanId"] for each in collector.ask("SELECT SpanId FROM otel.archived_traces")]
    assert lives.count > 2
    assert len(moved) == len(set(moved))
    assert there | set(moved) == set(ids)
    assert not there & set(moved)
    assert len(moved) == 26
    collector.stop()


def test_retention_waits_for_an_erasure(tmp_path: Path) -> None:
    """Killed before it counted anew, an erasure finds the other rows of that day where they were: no count is lost."""
    data = tmp_path / "data"
    collector = CollectorProcess(data, *QUICK, "--retention-days", "0").start()
    past = time.time_ns() - 200 * DAY
    send(collector, [traces(*(interaction("event", f"old-{user}", user, at=past) for user in (ANN, "bob")))])
    with plain_client() as client:
        client.post(f"http://{collector.endpoints['http']}/api/erasures", json={"user_id": ANN})
    while job(collector)["step"] not in {"rows", "counting"}:  # the plan is written, and nothing is counted anew
        assert job(collector)["state"] == "running"
        time.sleep(0.005)
    collector.kill()
    assert job(collector)["state"] == "running"
    collector.flags = QUICK
    slow = tmp_path / "slow.py"
    slow.write_text(SLOW)
    collector.start(slow)
    deadline = time.monotonic() + 60
    while job(collector)["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    told = job(collector)
    assert (told["state"], told["kept_counts"]) == ("done", 0)
    assert collector.ask("SELECT sum(interactions) AS n, sum(users) AS u FROM otel.daily_stats") == [{"n": 1, "u": 1}]
    assert collector.stop() == 0
