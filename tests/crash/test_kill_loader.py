"""kill -9 of a process that only loads: at random moments of inserts, of halving, of setting aside."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from otlp_builders import span, traces

from collector.journal.segment import Segment
from collector.request import Request, Signal

DAY = 86_400 * 10**9
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))
SEGMENTS, REQUESTS, SPANS = 8, 9, 6
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
STORED = "SELECT SpanName, count(), uniqExact(SpanId) FROM otel.otel_traces GROUP BY 1"
SESSIONS = "SELECT session_id, interactions FROM otel.sessions"


@pytest.fixture
def seed() -> int:
    """Pick the schedule of kills; printed, so that a failure can be run again with CHAOS_SEED."""
    chosen = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={chosen}")
    return chosen


def body(name: str, session: str) -> bytes:
    """Make a request of interactions over three days."""
    now = time.time_ns()
    values = {"interaction.type": "event", "session.id": session}
    ended = [now - (number % 3) * 30 * DAY for number in range(SPANS)]
    made = (span(name, values, start_time_unix_nano=each, end_time_unix_nano=each) for each in ended)
    return traces(*made).SerializeToString()


def journal(folder: Path, choose: random.Random) -> tuple[set[str], set[str]]:
    """Freeze segments, with a poison in every second; return the names of the good requests and the ids of the bad."""
    folder.mkdir(parents=True)
    good, bad = set(), set()
    for number in range(SEGMENTS):
        poison = choose.randrange(REQUESTS) if number % 2 else None
        segment = Segment(folder, Signal.TRACES)
        for request in range(REQUESTS):
            name = f"{number}-{request}"
            content = b"\x0a\x7fabc" if request == poison else body(name, f"s{number}")
            segment.append([Request(Signal.TRACES, content, SPANS, "t", time.time_ns(), "")])
            if request == poison:
                bad.add(f"{segment.name}-{request:06d}")
            else:
                good.add(name)
        segment.freeze()
    return good, bad


@pytest.mark.parametrize("parallel", [1, 3])
def test_at_random_moments(tmp_path: Path, seed: int, parallel: int) -> None:
    """Whatever the moment: in the end every good request is stored once, behind views too, every bad one set aside."""
    choose = random.Random(seed)
    good, bad = journal(tmp_path / "journal", choose)
    command = [sys.executable, "-c", LOAD, str(tmp_path), str(parallel), STORED, SESSIONS]
    killed = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "loading\n"
        time.sleep(choose.uniform(0.0, 2.5))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"killed {killed} times")
    stored, sessions = json.loads(done.stdout.splitlines()[-1])
    assert {name: counts for name, *counts in stored} == {name: [SPANS, SPANS] for name in good}, (
        "each once, none twice"
    )
    requests = {f"s{number}": REQUESTS - number % 2 for number in range(SEGMENTS)}
    assert dict(sessions) == {name: SPANS * count for name, count in requests.items()}, "the aggregate behind agrees"
    letters = {path.stem for path in (tmp_path / "dead-letters").glob("*.json")}
    assert letters == bad
    assert all(json.loads((tmp_path / "dead-letters" / f"{each}.json").read_text())["requests"] == 1 for each in bad)
    assert [path.name for path in (tmp_path / "journal").iterdir()] == []
