"""The two ways out of the process, over real sockets."""
# ruff: noqa: ANN202, ARG001  functions written as users write them

import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_interactions as oi


@pytest.fixture
def slow_batches(monkeypatch):
    """Let a batch wait for longer than any test."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")


def test_a_session_is_seen_while_it_is_open(slow_batches, grpc_receiver):
    """session_start arrives while its session is still open; what can wait waits for its batch."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with oi.session() as s:
        oi.user_message("Hello")
        arrived = grpc_receiver.wait_for("session_start", timeout=5)
        assert arrived.attributes["session.id"] == s.id
        assert grpc_receiver.names() == ["session_start"]
    oi.shutdown()
    assert sorted(grpc_receiver.names()) == ["session_end", "session_start", "user_message"]


def test_a_critical_error_is_seen_at_once(slow_batches, grpc_receiver):
    """A critical error arrives at once, alone in its request; an error that is not waits."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    oi.error("it can wait")
    oi.error("it cannot", critical=True)
    urgent = grpc_receiver.wait_for("error", timeout=5)
    assert urgent.attributes["exception.message"] == "it cannot"
    assert [span for span in grpc_receiver.spans if span.request == urgent.request] == [urgent]
    oi.shutdown()
    assert grpc_receiver.names() == ["error", "error"]


def test_a_resumed_session_is_seen_at_once(slow_batches, grpc_receiver):
    """A reconnect is seen as quickly as a first connect."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with oi.resume("s"):
        assert grpc_receiver.wait_for("session_start", timeout=5).attributes["interaction.session.resumed"] is True


def test_urgent_spans_all_arrive_in_good_time(slow_batches, grpc_receiver):
    """Many sessions from many threads: each start arrives at once, exactly once."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)

    def talk(name):
        for number in range(20):
            with oi.session(id=f"{name}-{number}", end=False):
                pass

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with grpc_receiver.arrival:
        assert grpc_receiver.arrival.wait_for(lambda: len(grpc_receiver.spans) == 80, timeout=10)
    assert len({span.attributes["session.id"] for span in grpc_receiver.spans}) == 80


def test_a_slow_collector_does_not_hold_the_caller_up(grpc_receiver):
    """While the collector sits on its requests, recording returns at once; afterwards all arrives."""
    release = threading.Event()
    grpc_receiver.answer = lambda: release.wait(20)
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    started = time.perf_counter()
    for _ in range(50):
        with oi.session():
            oi.user_message("Hello")
    assert time.perf_counter() - started < 2
    assert not oi.flush(timeout_ms=200)
    release.set()
    assert oi.flush(timeout_ms=20_000)
    assert len(grpc_receiver.spans) == 150
    assert oi.status().waiting == 0


def test_memory_is_bounded_and_what_does_not_fit_is_counted(monkeypatch, grpc_receiver, lines):
    """Without a spool a full queue drops new spans, counts and says so once; urgent ones still get through."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    release = threading.Event()
    grpc_receiver.answer = lambda: release.wait(20)
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, spool_dir="off")
    for _ in range(50):
        oi.event("system")
    oi.error("fire", critical=True)
    status = oi.status()
    assert status.waiting <= 20
    assert status.lost == {"queue_full": 40}
    release.set()
    flushed = oi.flush(timeout_ms=20_000)
    assert not flushed
    assert (flushed.accepted, flushed.lost, flushed.waiting) == (11, {"queue_full": 40}, 0)
    assert sorted(grpc_receiver.names()) == ["error"] + ["event system"] * 10
    assert len([line for line in lines() if "queue_full" in line]) == 1


def test_what_the_collector_refuses_is_counted(grpc_receiver, lines):
    """A refused span is given up, counted under the collector's reason, and told once; the others go on."""

    def refuse():
        raise PermissionError("no such field")

    grpc_receiver.answer = refuse
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    for _ in range(3):
        oi.event("system")
        flushed = oi.flush()
        assert not flushed
        assert flushed.refused == {"INVALID_ARGUMENT: no such field": 1}
    assert oi.status().refused == {"INVALID_ARGUMENT: no such field": 3}
    assert (oi.status().lost, oi.status().waiting, oi.status().spooled) == ({}, 0, 0)
    assert "no such field" in oi.status().last_error
    told = [line for line in lines() if "no such field" in line]
    assert len(told) == 1
    assert grpc_receiver.endpoint in told[0]

    grpc_receiver.answer = lambda: None
    oi.event("system")
    assert oi.flush().accepted == 1


def test_one_bad_span_does_not_cost_its_batch(grpc_receiver):
    """A span whose name is no Unicode is sent with the others, its name made readable."""
    provider = TracerProvider(shutdown_on_exit=False)
    oi.configure(tracer_provider=provider, endpoint=grpc_receiver.endpoint, set_global=False)
    for name in ("a", "b", "bad\ud800", "c", "d"):
        provider.get_tracer("t").start_span(name).end()
    assert oi.flush()
    assert [name for name in grpc_receiver.names() if "bad" not in name] == ["a", "b", "c", "d"]
    (bad,) = (name for name in grpc_receiver.names() if "bad" in name)
    assert bad.encode()
    provider.shutdown()


def test_after_shutdown_nothing_is_sent(grpc_receiver):
    """What the application's own provider ends after our shutdown is not sent, nor kept; a second one is quiet."""
    provider = TracerProvider(shutdown_on_exit=False)
    oi.configure(tracer_provider=provider, endpoint=grpc_receiver.endpoint, set_global=False)
    oi.shutdown()
    oi.shutdown()
    provider.get_tracer("t").start_span("late").end()
    provider.force_flush()
    status = oi.status()
    assert (status.delivered, status.waiting, status.spooled) == (0, 0, 0)
    assert grpc_receiver.requests == 0
    provider.shutdown()


def test_the_full_address_over_http(http_receiver):
    """A base address gets OTLP's path; one that has it already is taken as it is."""
    for endpoint in (http_receiver.endpoint, http_receiver.endpoint + "/", http_receiver.endpoint + "/v1/traces"):
        oi.configure(endpoint=endpoint, protocol="http/protobuf", set_global=False)
        oi.event("system")
        assert oi.flush()
    assert [headers[":path"] for headers in http_receiver.headers] == ["/v1/traces"] * 3


def test_shutdown_keeps_its_time(grpc_receiver):
    """With a collector that never answers, shutdown takes no longer than it may; the spool keeps what is left."""
    release = threading.Event()
    grpc_receiver.answer = lambda: release.wait(20)
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with oi.session():
        oi.user_message("Hello")
    started = time.perf_counter()
    oi.shutdown(timeout_ms=300)
    assert time.perf_counter() - started < 2
    release.set()
    status = oi.status()
    assert (status.waiting, status.lost) == (0, {})
    assert status.spooled + status.delivered == 3


def test_shutdown_keeps_its_time_in_a_provider_of_the_applications(grpc_receiver):
    """Flushing the application's provider afterwards does not wait for a collector that we gave up."""
    release = threading.Event()
    grpc_receiver.answer = lambda: release.wait(20)
    provider = TracerProvider(shutdown_on_exit=False)
    oi.configure(tracer_provider=provider, endpoint=grpc_receiver.endpoint, set_global=False)
    oi.event("system")
    started = time.perf_counter()
    oi.shutdown(timeout_ms=1500)
    provider.force_flush(timeout_millis=1500)
    assert time.perf_counter() - started < 2.9
    release.set()
    provider.shutdown()


EXITING = """
import sys, threading
import otel_interactions as oi

def refuse(_thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

oi.configure(endpoint=sys.argv[1])
with oi.session():
    oi.user_message("Hello")
threading.Thread.start = refuse
oi.shutdown()
assert (oi.status().delivered, oi.status().waiting) == (3, 0), oi.status()
"""


def test_shutdown_where_no_thread_can_be_started(grpc_receiver):
    """At the exit of Python 3.12 no thread can be started: what waits is sent all the same."""
    subprocess.run([sys.executable, "-c", EXITING, grpc_receiver.endpoint], check=True, timeout=60)
    assert sorted(grpc_receiver.names()) == ["session_end", "session_start", "user_message"]
