"""R27: a critical error is there to be seen while everything else waits for its batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from otlp_builders import log_record, logs, span, traces
from processes import CollectorProcess, running

import otel_interactions as oi

CRITICAL = {"interaction.type": "error", "session.id": "s", "interaction.critical": True}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector whose batches take half a minute."""
    with running(tmp_path_factory.mktemp("patient") / "data", "--batch-seconds", "30") as process:
        yield process


def wait_for(collector: CollectorProcess, sql: str, expected: int, seconds: float = 15) -> None:
    """Wait until a count is as expected."""
    deadline = time.monotonic() + seconds
    while (found := collector.ask(sql)[0]["n"]) != expected:
        assert time.monotonic() < deadline, f"{found} instead of {expected}"
        time.sleep(0.05)


def test_a_critical_error_is_seen_at_once(patient: CollectorProcess) -> None:
    """Recorded by the SDK, a critical error is a row within seconds; what was recorded before it still waits."""
    patient.send(traces(span("patience", {"interaction.type": "event", "session.id": "s"})))
    oi.configure(service_name="urgent", endpoint=f"http://{patient.endpoints['grpc']}", set_global=False)
    began = time.monotonic()
    with oi.session("urgent"):
        oi.event("ui", "something that can wait")
        oi.error("the payment provider is gone", critical=True)
        wait_for(patient, "SELECT count() AS n FROM otel.interactions WHERE critical", 1)
    assert time.monotonic() - began < 15
    assert patient.ask("SELECT error_message AS m FROM otel.interactions WHERE critical") == [
        {"m": "the payment provider is gone"}
    ]
    assert patient.ask("SELECT count() AS n FROM otel.otel_traces WHERE SpanName = 'patience'") == [{"n": 0}]
    assert patient.health()["queue_depth"] >= 1
    oi.shutdown()


def test_a_critical_log_record_is_seen_at_once(patient: CollectorProcess) -> None:
    """The same attribute on a log record does the same."""
    patient.send(logs(log_record("patience")))
    patient.send(logs(log_record("urgent", CRITICAL)))
    wait_for(patient, "SELECT count() AS n FROM otel.otel_logs", 1)
    assert patient.ask("SELECT Body AS body FROM otel.otel_logs") == [{"body": "urgent"}]


def test_a_flood_of_critical_errors(patient: CollectorProcess) -> None:
    """Hundreds of critical errors in a second are a few inserts, and all of them are there soon."""

    def push(label: int) -> None:
        for number in range(60):
            patient.send(traces(span(f"flood-{label}-{number}", CRITICAL)))

    began = time.monotonic()
    senders = [threading.Thread(target=push, args=(label,)) for label in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took = time.monotonic() - began
    wait_for(patient, "SELECT count() AS n FROM otel.otel_traces WHERE startsWith(SpanName, 'flood-')", 240)
    # Of the flood alone: what else waits here is loaded when its half minute is over. The first segment and, once all
    # is acknowledged, the last come on top of those in between, 0.2 s apart.
    inserts = "SELECT uniqExact(JournalSegment) AS n FROM otel.otel_traces WHERE startsWith(SpanName, 'flood-')"
    assert patient.ask(inserts)[0]["n"] <= took / 0.2 + 2
