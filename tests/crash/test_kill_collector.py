"""kill -9 of the collector: what was acknowledged is stored once, whatever the moment."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from balance import assert_balanced
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from otlp_builders import POINTS, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess

LOADS_NOTHING = ("--batch-seconds", "3600", "--batch-items", "1000000000")
LOADS_AT_ONCE = ("--batch-seconds", "0.1")
SYNCS = "otel_interactions_collector_journal_sync_duration_seconds_count "
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
SPANS = 20  # in each request


@pytest.fixture
def seed() -> int:
    """Pick the schedule of kills; printed, so that a failure can be run again with CHAOS_SEED."""
    chosen = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={chosen}")
    return chosen


def test_between_acknowledgement_and_load(tmp_path: Path) -> None:
    """Nothing is in ClickHouse yet when the process dies; the next one loads all that was acknowledged, once."""
    collector = CollectorProcess(tmp_path / "data", *LOADS_NOTHING).start()
    names = [f"span-{number}" for number in range(50)]
    for name in names:
        collector.send(traces(span(name, {"interaction.type": "event", "session.id": "killed"})))
    collector.send(logs(log_record("last words")))
    collector.send(metrics(*(metric(kind, point(kind), name="last values") for kind in POINTS)))
    assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 0}]
    collector.kill()

    collector.flags = LOADS_AT_ONCE
    collector.start()
    collector.wait_until_stored()
    health = collector.health()
    assert_balanced(health)
    assert (health["counters"]["requests_recovered"], health["counters"]["items_recovered"]) == (52, 51 + len(POINTS))
    stored = collector.ask("SELECT SpanName AS name, count() AS n FROM otel.otel_traces GROUP BY name")
    assert {row["name"]: row["n"] for row in stored} == dict.fromkeys(names, 1)
    assert collector.ask("SELECT Body AS body FROM otel.otel_logs") == [{"body": "last words"}]
    for kind in POINTS:
        assert collector.ask(f"SELECT MetricName AS name FROM otel.otel_metrics_{kind}") == [{"name": "last values"}]
    assert collector.ask("SELECT interactions AS n FROM otel.sessions") == [{"n": 50}]
    assert collector.stop() == 0


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_durability(tmp_path: Path, durability: str) -> None:
    """With `fsync` acknowledgements come after syncs, with `os` nothing is synced; a kill costs neither anything."""
    collector = CollectorProcess(tmp_path / "data", *LOADS_NOTHING, "--durability", durability).start()
    for number in range(10):
        collector.send(traces(span(f"span-{number}")))
    figures = httpx.get(f"http://{collector.endpoints['http']}/metrics").text
    syncs = [float(line.removeprefix(SYNCS)) for line in figures.splitlines() if line.startswith(SYNCS)]
    assert sum(syncs) == {"fsync": 10, "os": 0}[durability]
    collector.kill()

    collector.flags = (*LOADS_AT_ONCE, "--durability", durability)
    collector.start()
    collector.wait_until_stored()
    found = collector.ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel.otel_traces")
    assert found == [{"n": 10, "names": 10}]
    assert collector.stop() == 0


class _Sender(threading.Thread):
    """Sends as fast as it is acknowledged, to whatever address the collector has.

    What was not acknowledged it sends again until it is, the very same bytes, or, if not `again`, never.
    """

    def __init__(self, collector: CollectorProcess, label: str, *, again: bool) -> None:
        super().__init__()
        self.collector, self.label, self.again = collector, label, again
        self.acknowledged: list[str] = []
        self.unsure: list[str] = []
        self.sent_again = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        for name in self._names():
            request = traces(*(span(name, {"interaction.type": "event", "session.id": name}) for _ in range(SPANS)))
            while not (acknowledged := self._send(request)) and self.again:
                self.sent_again += 1
                time.sleep(0.05)
            (self.acknowledged if acknowledged else self.unsure).append(name)

    def _send(self, request: ExportTraceServiceRequest) -> bool:
        try:
            with grpc.insecure_channel(self.collector.endpoints["grpc"]) as channel:
                TraceServiceStub(channel).Export(request, timeout=10)
        except grpc.RpcError:
            return False
        return True

    def _names(self) -> Iterator[str]:
        number = 0
        while not self.stopped.is_set():
            yield f"{self.label}-{number}"
            number += 1


def test_at_random_moments_under_load(tmp_path: Path, seed: int) -> None:
    """Killed again and again while two senders push: every acknowledged span is stored once, and none twice.

    One of them sends what was not acknowledged again, so that nothing of its is missing either.
    """
    choose = random.Random(seed)
    collector = CollectorProcess(tmp_path / "data", *LOADS_AT_ONCE).start()
    senders = [_Sender(collector, "a", again=False), _Sender(collector, "b", again=True)]
    for sender in senders:
        sender.start()
    for _ in range(ROUNDS):
        time.sleep(choose.uniform(0.05, 1.5))
        collector.kill()
        collector.start()
    time.sleep(0.3)
    for sender in senders:
        sender.stopped.set()
        sender.join()
    collector.wait_until_stored()
    assert_balanced(collector.health())

    acknowledged = [name for sender in senders for name in sender.acknowledged]
    stored = collector.ask(
        "SELECT SpanName AS name, count() AS n, uniqExact(SpanId) AS ids FROM otel.otel_traces GROUP BY 1"
    )
    counts = {row["name"]: (row["n"], row["ids"]) for row in stored}
    assert len(acknowledged) > 10 * ROUNDS, "the senders hardly got through: the test would prove little"
    assert {name: counts.get(name) for name in acknowledged} == dict.fromkeys(acknowledged, (SPANS, SPANS))
    assert senders[1].sent_again >= ROUNDS / 2, "hardly a request was cut off: the test would prove little"
    unsure = {name for sender in senders for name in sender.unsure}
    assert set(counts) <= set(acknowledged) | unsure
    assert set(counts.values()) == {(SPANS, SPANS)}, "a request is stored whole or not at all, and never twice"
    sessions = collector.ask("SELECT count() AS n, sum(interactions) AS spans FROM otel.sessions")
    assert sessions == [{"n": len(counts), "spans": SPANS * len(counts)}], "the aggregate behind two views agrees"
    assert collector.stop() == 0


def test_sigterm_drains(tmp_path: Path) -> None:
    """SIGTERM loads what waits, exits 0, and leaves nothing in the journal but who was in it."""
    collector = CollectorProcess(tmp_path / "data", *LOADS_NOTHING).start()
    for number in range(10):
        collector.send(traces(span(f"span-{number}")))
    assert collector.stop() == 0
    assert {path.suffix for path in (tmp_path / "data" / "journal").iterdir()} == {".seen"}
    collector.start()
    assert collector.ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel.otel_traces") == [
        {"n": 10, "names": 10}
    ]
    assert collector.stop() == 0
