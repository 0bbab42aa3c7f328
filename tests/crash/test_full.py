"""A full disk and a full journal: senders are told to come back, and nothing is lost, doubled or restarted for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from balance import assert_balanced
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from otlp_builders import span, traces
from processes import CollectorProcess
from small_disk import fill

FILLING = "x" * 50_000


def body(name: str) -> bytes:
    """Make a request of 50 kB."""
    return traces(span(name, {"filling": FILLING})).SerializeToString()


def send_until_accepted(collector: CollectorProcess, name: str, seconds: float = 30) -> list[str]:
    """Send one request as a sender does that comes back; return the refusals it got."""
    deadline, refusals = time.monotonic() + seconds, []
    sent = body(name)
    while (answer := collector.post("/v1/traces", sent)).status_code != 200:
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"]
        refusals.append(answer.content.decode(errors="replace"))
        assert time.monotonic() < deadline, refusals[-1]
        time.sleep(0.1)
    return refusals


def test_full(tmp_path: Path, mount: Callable[[Path, str], None]) -> None:
    """One process through a full disk, a full journal and back: every acknowledged request is stored once."""
    journal = tmp_path / "data" / "journal"
    mount(journal, "2m")
    limits = ("--journal-max-bytes", "600000", "--disk-reserve-bytes", "0")
    batches = ("--batch-seconds", "4", "--batch-items", "1000000000")
    collector = CollectorProcess(tmp_path / "data", *limits, *batches).start()
    sent = ["before-0", "before-1", "before-2"]
    for name in sent:
        assert send_until_accepted(collector, name) == []

    fill(journal)
    assert collector.post("/v1/traces", body("refused")).status_code == 503
    collector.wait_until_stored()  # what was acknowledged is loaded, which makes a little room
    fill(journal)
    refused = collector.post("/v1/traces", body("refused"))
    assert refused.status_code == 503
    assert b"No space left on device" in refused.content
    with grpc.insecure_channel(collector.endpoints["grpc"]) as channel, pytest.raises(grpc.RpcError) as error:
        TraceServiceStub(channel).Export(traces(span("refused", {"filling": FILLING})))
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    for _ in range(20):
        assert collector.post("/v1/traces", body("refused")).status_code == 503
    threading.Timer(1.0, (journal / "ballast").unlink).start()
    assert send_until_accepted(collector, "after")
    sent.append("after")

    refusals = []
    for number in range(30):
        sent.append(f"many-{number}")
        refusals += send_until_accepted(collector, sent[-1])
    assert any("the journal is full" in each for each in refusals)
    assert sum(path.stat().st_size for path in journal.iterdir()) < 700_000

    collector.wait_until_stored()
    found = collector.ask("SELECT SpanName AS name, count() AS n FROM otel.otel_traces GROUP BY name")
    assert {row["name"]: row["n"] for row in found} == dict.fromkeys(sent, 1)
    assert collector.health()["status"] == "healthy"
    assert_balanced(collector.health())
    log = collector.log.read_text()
    assert log.count("the journal cannot be written: No space left on device") == 1
    assert 0 < log.count("journal: requests are refused") < 10 < len(refusals) + 20
    assert "journal: takes requests again" in log
    assert "Traceback" not in log
    assert collector.stop() == 0
