"""kill -9 of a process that only loads: at random moments of inserts, of halving, of setting aside."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGKILL

import pytest
from google.protobuf.message import Message
from otlp_builders import POINTS, log_record, logs, metric, metrics, point, span, traces
from senders import SENT

from collector.journal.segment import Segment
from collector.request import Request, Signal

DAY = 86_400 * 10**9
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
SEGMENTS, REQUESTS, ITEMS = 8, 9, 6  # a metrics request has so many of each kind
LOAD = """
import json
import sys
from pathlib import Path
from collector.clickhouse import ClickHouse
from collector.journal.store import Keeping, Store
from collector.load.loader import Loader
from collector.schema import migrator
from collector.telemetry import Counters

data = Path(sys.argv[1])
database = ClickHouse(data, None)
migrator.migrate(database)
store = Store(data / "journal", Keeping(window=0))
more = [ClickHouse(data, None) for _ in range(1, int(sys.argv[2]))]
loader = Loader([database, *more], store, data / "dead-letters", data / "scratch", Counters())
for path, content in store.recover(lambda *_: None):
    loader.enqueue(path, content)
print("loading", flush=True)
loader.start()
assert loader.stop(300), loader.last_error
print(json.dumps([database.rows(sql) for sql in sys.argv[3:]]))
"""
STORED = {
    table: f"SELECT {content.name}, count(), uniqExact({content.attributes}['item']) FROM otel.{table} GROUP BY 1"
    for content in SENT.values()
    for table in content.tables
}
SESSIONS = "SELECT session_id, interactions FROM otel.sessions"


@pytest.fixture
def seed() -> int:
    """Pick the schedule of kills; printed, so that a failure can be run again with CHAOS_SEED."""
    chosen = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={chosen}")
    return chosen


def body(signal: Signal, name: str, session: str) -> Message:
    """Make a request over three days, of interactions where it is traces."""
    now = time.time_ns()
    ended = [now - (number % 3) * 30 * DAY for number in range(ITEMS)]
    values = [{"interaction.type": "event", "session.id": session, "item": number} for number in range(ITEMS)]
    made = list(zip(values, ended, strict=True))
    if signal is Signal.TRACES:
        return traces(*(span(name, each, start_time_unix_nano=end, end_time_unix_nano=end) for each, end in made))
    if signal is Signal.LOGS:
        return logs(*(log_record(name, each, time_unix_nano=end) for each, end in made))
    return metrics(
        *(metric(kind, *(point(kind, each, time_unix_nano=end) for each, end in made), name=name) for kind in POINTS)
    )


def signal_of(number: int) -> Signal:
    """Return the signal of the segment of this number: they take turns."""
    return list(Signal)[number % len(Signal)]


def journal(folder: Path, choose: random.Random) -> tuple[dict[str, Signal], set[str]]:
    """Freeze segments, with a poison in every second; return the names of the good requests and the ids of the bad."""
    folder.mkdir(parents=True)
    good, bad = {}, set()
    for number in range(SEGMENTS):
        poison = choose.randrange(REQUESTS) if number % 2 else None
        signal = signal_of(number)
        segment = Segment(folder, signal)
        for request in range(REQUESTS):
            name = f"{number}-{request}"
            content = b"\x0a\x7fabc" if request == poison else body(signal, name, f"s{number}").SerializeToString()
            segment.append([Request(signal, content, ITEMS, "t", time.time_ns(), "")])
            if request == poison:
                bad.add(f"{segment.name}-{request:06d}")
            else:
                good[name] = signal
        segment.freeze()
    return good, bad


@pytest.mark.parametrize("parallel", [1, 3])
def test_at_random_moments(tmp_path: Path, seed: int, parallel: int) -> None:
    """Whatever the moment: in the end every good request is stored once, behind views too, every bad one set aside."""
    choose = random.Random(seed)
    good, bad = journal(tmp_path / "journal", choose)
    command = [sys.executable, "-c", LOAD, str(tmp_path), str(parallel), SESSIONS, *STORED.values()]
    killed = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "loading\n"
        time.sleep(choose.uniform(0.0, 2.5))
        process.send_signal(SIGKILL)
        killed += process.wait() == -SIGKILL
        process.stdout.close()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"killed {killed} times")
    sessions, *stored = json.loads(done.stdout.splitlines()[-1])
    for table, rows in zip(STORED, stored, strict=True):
        sent = [name for name, kind in good.items() if table in SENT[kind].tables]
        assert {name: counts for name, *counts in rows} == {name: [ITEMS, ITEMS] for name in sent}, (
            f"{table}: each once, none twice"
        )
    requests = {number: REQUESTS - number % 2 for number in range(SEGMENTS) if signal_of(number) is Signal.TRACES}
    assert dict(sessions) == {f"s{number}": ITEMS * count for number, count in requests.items()}, (
        "the aggregate behind agrees"
    )
    letters = {path.stem for path in (tmp_path / "dead-letters").glob("*.json")}
    assert letters == bad
    assert all(json.loads((tmp_path / "dead-letters" / f"{each}.json").read_text())["requests"] == 1 for each in bad)
    assert [path.name for path in (tmp_path / "journal").iterdir()] == []
