"""kill -9 of the application, and of the collector beside it: what a recording call returned from is stored once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import CollectorProcess

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1")) * 3

RECORDING = """
import itertools, os, sys
import otel_interactions as oi

oi.configure(service_name="killed", endpoint=sys.argv[1], fallback_endpoint="off", set_global=False)
with oi.session(id=sys.argv[2]):
    for number in itertools.count():
        oi.event("system", "x" * (number % 3000), attributes={"number": number})
        os.write(1, b"%d\\n" % number)
"""
NEXT = """
import sys
import otel_interactions as oi

oi.configure(service_name="next", endpoint=sys.argv[1], fallback_endpoint="off", set_global=False)
oi.event("system")
flushed = oi.flush(60_000)
assert flushed, flushed
"""
STORED = """
    SELECT toUInt32(attributes['number']) AS number, count() AS n
    FROM otel.interactions WHERE session_id = {session:String} AND type = 'event' GROUP BY number
"""


class Recorder:
    """An application that records as fast as it can, and says of each call that it has returned."""

    def __init__(self, endpoint: str, session: str, spool: Path) -> None:
        """Start it."""
        command = [sys.executable, "-c", RECORDING, endpoint, session]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(spool))
        self.told: list[int] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.told.extend(int(line) for line in self.process.stdout if line.endswith(b"\n"))

    def kill_after(self, seconds: float) -> int:
        """End it so long after its first call returned; return how many calls returned."""
        deadline = time.monotonic() + 30
        while not self.told:
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(seconds)
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()
        return len(self.told)


def environment(spool: Path) -> dict[str, str]:
    """Return what both applications get: a spool of their own, batches that are many and small."""
    mine = {"OTEL_INTERACTIONS_SPOOL_DIR": str(spool), "OTEL_BSP_SCHEDULE_DELAY": "50"}
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | mine


@pytest.fixture
def chance() -> random.Random:
    """Pick the moments; the seed is printed, so that a failure can be run again with CHAOS_SEED."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={seed}")
    return random.Random(seed)


def test_at_random_moments(tmp_path: Path, chance: random.Random) -> None:
    """Whatever the moment, and whether the collector was away or dies as well, the next process sends the rest."""
    collector = CollectorProcess(tmp_path / "data", "--batch-seconds", "0.1").start()
    port = collector.endpoints["grpc"].rpartition(":")[2]
    endpoint, spool = f"http://{collector.endpoints['grpc']}", tmp_path / "spool"
    collector.flags += ("--grpc-port", port)
    for number in range(ROUNDS):
        session, both, away = f"round-{number}", chance.random() < 0.3, chance.random() < 0.3
        if away:
            collector.kill()
        recorder = Recorder(endpoint, session, spool)
        if both and not away:
            time.sleep(chance.uniform(0.3, 1.0))
            collector.kill()
        returned = recorder.kill_after(chance.choice([0, 0.01, 0.1, 0.5, 1.0]) * chance.random())
        if both or away:
            collector.start()
        subprocess.run([sys.executable, "-c", NEXT, endpoint], env=environment(spool), check=True, timeout=120)
        collector.wait_until_stored()
        rows = collector.ask(STORED, session=session)
        stored = {row["number"]: row["n"] for row in rows}
        about = f"round {number}: both={both} away={away}, {returned} calls returned"
        assert set(range(returned)) - set(stored) == set(), f"lost; {about}"
        assert {name: n for name, n in stored.items() if n > 1} == {}, f"doubled; {about}"
        assert len(stored) <= returned + 1, f"there are some nobody recorded; {about}"
    assert collector.stop() == 0
    assert [path.name for path in spool.rglob("*.spool")] == []
