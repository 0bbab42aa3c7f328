"""Spans on their way to a real collector that is away, slow, or refuses: what arrives, how often, what is counted."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from scripted import GrpcCollector, HttpCollector, names_of, partial, refuse, started

import otel_interactions as oi
from otel_interactions import conventions as names
from otel_interactions.export.tally import Tally

Record = Callable[..., None]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch wait for 50 ms."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")


@pytest.fixture
def collector() -> Iterator[GrpcCollector]:
    """A collector."""
    with started(GrpcCollector()) as made:
        yield made


@pytest.fixture
def other() -> Iterator[GrpcCollector]:
    """Another collector."""
    with started(GrpcCollector()) as made:
        yield made


@pytest.fixture
def record() -> Iterator[Record]:
    """Record spans of these names; each configures its own provider."""
    providers: list[TracerProvider] = []

    def start(collector: GrpcCollector, **arguments: Any) -> Record:
        providers.append(TracerProvider(shutdown_on_exit=False))
        oi.configure(tracer_provider=providers[-1], endpoint=collector.endpoint, set_global=False, **arguments)
        tracer = providers[-1].get_tracer("t")

        def spans(*given: str, urgent: bool = False, **attributes: str) -> None:
            more: dict[str, Any] = {names.CRITICAL: True} if urgent else {}
            for name in given:
                tracer.start_span(name, attributes=attributes | more).end()

        return spans

    yield start
    for provider in providers:
        provider.shutdown()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end of the test, so that no request hangs for ever."""
    made = threading.Event()
    yield made
    made.set()


def numbered(start: int, end: int) -> list[str]:
    """Return names."""
    return [f"span {number}" for number in range(start, end)]


def counted() -> tuple[int, int, int, int, int]:
    """Return how many spans are delivered, refused, lost, waiting and spooled."""
    now = oi.status()
    return now.delivered, sum(now.refused.values()), sum(now.lost.values()), now.waiting, now.spooled


def wait_until(found: Callable[[], object], timeout: float = 10) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- outages


def test_an_outage(collector: GrpcCollector, record: Record, lines: Callable[[], list[str]]) -> None:
    """What is recorded while the collector is away arrives when it is back: once, in order, with two lines to read."""
    spans = record(collector)
    spans(*numbered(0, 100))
    assert oi.flush().accepted == 100
    for end in (1100, 2100):
        collector.stop()
        spans(*numbered(end - 1000, end))
        wait_until(lambda: oi.status().failures >= 2)
        assert oi.status().spooled == 1000
        assert oi.status().waiting == 0
        assert oi.status().spool_bytes > 1000
        collector.start()
        collector.wait_for_spans(end)
        wait_until(lambda: not oi.status().spooled)
        assert counted() == (end, 0, 0, 0, 0)
    assert collector.names() == numbered(0, 2100)
    told = [line for line in lines() if collector.address in line]
    assert len(told) == 4
    for first, last in (told[:2], told[2:]):
        assert "no success yet" in first
        assert "answers again; spans dropped meanwhile: 0" in last


def test_a_flush_after_an_outage(collector: GrpcCollector, record: Record) -> None:
    """However long the outage, the first flush when the collector is back delivers."""
    spans = record(collector)
    collector.stop()
    spans("a")
    time.sleep(6)
    spans("b")
    collector.start()
    assert oi.flush(timeout_ms=5000).accepted == 2
    assert collector.names() == ["a", "b"]


def test_the_other_way(collector: GrpcCollector, record: Record) -> None:
    """A collector of which only the HTTP port answers gets all of it there."""
    collector.stop()
    web = HttpCollector()
    web.start()
    spans = record(collector, fallback_endpoint=web.base)
    spans(*numbered(0, 10))
    assert oi.flush().accepted == 10
    assert web.names() == numbered(0, 10)
    oi.shutdown()
    web.stop()


def test_a_lost_answer(
    monkeypatch: pytest.MonkeyPatch, collector: GrpcCollector, record: Record, gate: threading.Event
) -> None:
    """A request whose answer is lost comes again, the very same bytes, whatever was recorded since."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    collector.answer = lambda *_: len(collector.requests) > 2 or gate.wait(20)
    spans = record(collector)
    spans("a", "b")
    collector.wait_for(lambda: collector.requests)
    spans("c")
    collector.wait_for_spans(3)
    first, second, third, *_ = [request.body for request in collector.requests]
    assert first == second == third
    assert names_of(first) == ["a", "b"]
    assert collector.names() == ["a", "b", "c"]


def test_a_lost_answer_and_another_process(collector: GrpcCollector, record: Record, gate: threading.Event) -> None:
    """The same where the next configuration sends what the first one began to: the same bytes, though more waits."""
    collector.answer = lambda *_: len(collector.requests) > 1 or gate.wait(20)
    spans = record(collector)
    spans("a", "b")
    collector.wait_for(lambda: collector.requests)
    spans("c")
    oi.shutdown(timeout_ms=200)
    assert counted() == (0, 0, 0, 0, 3)
    record(collector)("d")
    oi.flush()
    collector.wait_for_spans(4)
    first, second, *_ = [request.body for request in collector.requests]
    assert first == second
    assert collector.names() == ["a", "b", "c", "d"]


# --- when it is tried again


def gaps(collector: GrpcCollector) -> list[float]:
    """Return the seconds between requests."""
    times = [request.at for request in collector.requests]
    return [after - before for before, after in pairwise(times)]


def test_tries_are_further_and_further_apart(collector: GrpcCollector, record: Record) -> None:
    """Each pause is twice the last, but for some chance, so that many applications do not come at once."""
    collector.answer = lambda _body, context: refuse(context, UNAVAILABLE, "busy")
    record(collector)("a")
    collector.wait_for(lambda: len(collector.requests) >= 6)
    shares = [gap / (0.2 * 2**number) for number, gap in enumerate(gaps(collector)[:5])]
    assert min(shares) > 0.49
    assert max(shares[2:]) < 1.5  # on a busy machine
    assert max(shares) - min(shares) > 0.01
    assert oi.status().failures >= 5
    assert oi.status().last_error == "UNAVAILABLE: busy"


@pytest.mark.parametrize("urgent", [False, True])
def test_what_is_recorded_does_not_hasten_the_next_try(
    monkeypatch: pytest.MonkeyPatch, collector: GrpcCollector, record: Record, urgent: bool
) -> None:
    """A collector in trouble is left alone, however many batches fill and urgent spans come meanwhile."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    collector.answer = lambda _body, context: refuse(context, UNAVAILABLE, "busy")
    spans = record(collector)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        spans("a", urgent=urgent)
        time.sleep(0.005)
    assert 1 < len(collector.requests) < 8


@pytest.mark.parametrize("urgent", [False, True])
def test_the_collector_says_when(
    monkeypatch: pytest.MonkeyPatch, collector: GrpcCollector, record: Record, urgent: bool
) -> None:
    """A collector that asks to wait is not asked before, whatever is recorded meanwhile."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    collector.answer = lambda _body, context: (
        refuse(context, UNAVAILABLE, "busy", after=1.5) if len(collector.requests) == 1 else None
    )
    spans = record(collector)
    spans("a", urgent=urgent)
    collector.wait_for(lambda: collector.requests)
    for name in "bcdefg":
        spans(name, urgent=urgent)
        time.sleep(0.05)
    collector.wait_for_spans(7)
    assert 1.45 < gaps(collector)[0] < 4


def test_now_is_not_at_once(collector: GrpcCollector, record: Record) -> None:
    """A collector that says "busy, come back in no time" is not asked a thousand times a second."""
    collector.answer = lambda _body, context: refuse(context, UNAVAILABLE, "busy", after=0.0)
    record(collector)("a")
    collector.wait_for(lambda: collector.requests)
    time.sleep(1)
    assert 1 < len(collector.requests) < 15


# --- what the collector refuses


def test_spans_at_fault(collector: GrpcCollector, record: Record, lines: Callable[[], list[str]]) -> None:
    """A request with spans the collector does not read is taken apart: all others arrive once, those are counted."""

    def answer(body: bytes, context: grpc.ServicerContext) -> None:
        if any(name.startswith("bad") for name in names_of(body)):
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "bad span")

    collector.answer = answer
    spans = record(collector)
    good = numbered(0, 300)
    given = [*good[:5], "bad 1", *good[5:80], "bad 2", "bad 3", *good[80:]]
    spans(*given, "bad 4")
    flushed = oi.flush()
    assert not flushed
    assert (flushed.accepted, flushed.refused) == (300, {"INVALID_ARGUMENT: bad span": 4})
    assert collector.names() == good
    assert counted() == (300, 4, 0, 0, 0)
    assert oi.status().failures == 0
    assert len([line for line in lines() if "bad span" in line]) == 1
    spans("after")
    assert oi.flush()


def test_a_collector_that_takes_few_at_a_time(collector: GrpcCollector, record: Record) -> None:
    """Requests become as small as the collector takes them; nothing is refused for that."""
    collector.answer = lambda body, context: (
        refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many") if len(names_of(body)) > 7 else None
    )
    spans = record(collector)
    spans(*numbered(0, 200))
    assert oi.flush().accepted == 200
    assert collector.names() == numbered(0, 200)
    assert counted() == (200, 0, 0, 0, 0)


def test_what_is_too_large(collector: GrpcCollector, record: Record) -> None:
    """A collector that takes 4 MiB, as most do over gRPC, gets large spans a few at a time, and all but a giant."""
    spans = record(collector)
    text = "x" * (1 << 20)
    for name in numbered(0, 8):
        spans(name, text=text)
    spans("giant", text=text * 6)
    spans("small")
    flushed = oi.flush(timeout_ms=20_000)
    assert flushed.accepted == 9
    (error,) = flushed.refused or {}
    assert "RESOURCE_EXHAUSTED" in error
    assert collector.names() == [*numbered(0, 8), "small"]
    assert len(collector.requests) <= 6


def test_a_partial_success(collector: GrpcCollector, record: Record) -> None:
    """Spans the collector says it did not take are refused, under its words; the request is not sent again."""
    collector.answer = lambda *_: partial(2, "no trace id")
    spans = record(collector)
    spans(*numbered(0, 10))
    flushed = oi.flush()
    assert not flushed
    assert (flushed.accepted, flushed.refused, flushed.waiting, flushed.spooled) == (8, {"no trace id": 2}, 0, 0)
    assert len(collector.requests) == 1
    collector.answer = lambda *_: partial(0, "a word of advice")
    spans("a")
    assert oi.flush()
    assert oi.status().last_error == "a word of advice"


def test_flush_waits_for_the_counts(collector: GrpcCollector, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has left the queue and is not counted yet is waited for: `flush()` never tells of less than arrived."""
    deliver = Tally.deliver

    def late(tally: Tally, spans: int) -> None:
        time.sleep(0.3)
        deliver(tally, spans)

    monkeypatch.setattr(Tally, "deliver", late)
    collector.answer = lambda *_: partial(2, "no trace id")
    spans = record(collector)
    for _ in range(3):
        spans(*numbered(0, 10))
        assert oi.flush().accepted == 8
        spans(*numbered(0, 10))
        time.sleep(0.2)  # the collector has answered
        assert oi.flush().accepted == 8


# --- when a batch leaves


def test_an_urgent_span_passes_a_slow_batch(collector: GrpcCollector, record: Record, gate: threading.Event) -> None:
    """While the collector sits on a batch, an urgent span arrives."""
    collector.answer = lambda body, _context: "urgent" in names_of(body) or gate.wait(20)
    spans = record(collector)
    spans(*numbered(0, 20))
    collector.wait_for(lambda: collector.requests)
    assert oi.status().in_flight == 20
    spans("urgent", urgent=True)
    collector.wait_for_spans(1)
    assert collector.names() == ["urgent"]
    gate.set()
    assert oi.flush()
    assert collector.names() == ["urgent", *numbered(0, 20)]


def test_batches_by_size(monkeypatch: pytest.MonkeyPatch, collector: GrpcCollector, record: Record) -> None:
    """A full batch leaves at once; what is not full waits for its time."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    spans = record(collector)
    spans(*numbered(0, 10))
    wait_until(lambda: counted()[0] == 10)
    time.sleep(0.2)  # the sender has looked for more
    spans(*numbered(10, 19))
    time.sleep(0.3)
    assert collector.names() == numbered(0, 10)
    spans("last")
    collector.wait_for_spans(20)
    assert [len(names_of(request.body)) for request in collector.requests] == [10, 10]


def test_batches_by_age(monkeypatch: pytest.MonkeyPatch, collector: GrpcCollector, record: Record) -> None:
    """What is not full leaves together after a while."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
    spans = record(collector)
    started = time.monotonic()
    spans("a", "b")
    time.sleep(0.1)
    spans("c")
    collector.wait_for_spans(3, timeout=5)
    assert collector.requests[0].at - started > 0.4
    assert len(collector.requests) == 1


# --- flush, status and shutdown


def test_what_flush_returns(collector: GrpcCollector, record: Record) -> None:
    """Each flush tells what became of spans since the one before."""
    spans = record(collector)
    assert oi.flush() == oi.Flushed(0, {}, {}, 0, 0)
    spans(*numbered(0, 5))
    assert oi.flush() == oi.Flushed(5, {}, {}, 0, 0)
    spans("a", urgent=True)
    spans("b")
    assert oi.flush() == oi.Flushed(2, {}, {}, 0, 0)
    assert oi.flush()
    collector.stop()
    spans("c")
    assert oi.flush(timeout_ms=200) == oi.Flushed(0, {}, {}, 0, 1)
    collector.start()
    collector.wait_for_spans(8)
    wait_until(lambda: counted() == (8, 0, 0, 0, 0))
    assert oi.flush() == oi.Flushed(1, {}, {}, 0, 0)


@pytest.mark.parametrize("spool_dir", [None, "off"])
def test_a_flush_keeps_its_time(
    collector: GrpcCollector, record: Record, gate: threading.Event, spool_dir: str | None
) -> None:
    """With a collector that hangs, a flush takes no longer than it may and says what waits."""
    collector.answer = lambda *_: gate.wait(20)
    spans = record(collector, spool_dir=spool_dir)
    spans("a", "b")
    started = time.monotonic()
    flushed = oi.flush(timeout_ms=300)
    assert 0.25 < time.monotonic() - started < 2
    assert flushed == oi.Flushed(0, {}, {}, *((2, 0) if spool_dir else (0, 2)))
    assert oi.status().in_flight == 2
    gate.set()
    assert oi.flush() == oi.Flushed(2, {}, {}, 0, 0)
    assert oi.status().in_flight == 0


def test_a_flush_waits_for_what_was_there(collector: GrpcCollector, record: Record, gate: threading.Event) -> None:
    """Urgent spans that come during a flush do not make it return before what it is for has arrived."""
    collector.answer = lambda body, _context: "urgent" in names_of(body) or gate.wait(20)
    spans = record(collector)
    spans("a")
    done: list[oi.Flushed] = []
    thread = threading.Thread(target=lambda: done.append(oi.flush(timeout_ms=15_000)))
    thread.start()
    collector.wait_for(lambda: collector.requests)
    spans("urgent", "urgent", urgent=True)
    collector.wait_for_spans(2)
    time.sleep(0.2)
    early = list(done)
    gate.set()
    thread.join()
    assert not early
    assert done[0].accepted == 3


@pytest.mark.parametrize("hangs", [False, True])
def test_shutdown_leaves_the_rest_in_the_spool(
    collector: GrpcCollector, record: Record, gate: threading.Event, tmp_path: Path, hangs: bool
) -> None:
    """Shutdown keeps its time; what is left waits in files, which the next configuration sends exactly once."""
    calls: list[grpc.ServicerContext] = []

    def hang(_body: bytes, context: grpc.ServicerContext) -> None:
        calls.append(context)
        gate.wait(20)

    if hangs:
        collector.answer = hang
    else:
        collector.stop()
    spans = record(collector)
    spans(*numbered(0, 1500))
    spans("urgent", urgent=True)
    started = time.monotonic()
    oi.shutdown(timeout_ms=500)
    assert time.monotonic() - started < 2.5
    assert counted() == (0, 0, 0, 0, 1501)
    assert list(tmp_path.rglob("*.spool"))

    wait_until(lambda: not any(call.is_active() for call in calls))  # or it would take what nobody waits for any more
    gate.set()
    if not hangs:
        collector.start()
    record(collector)("next")
    oi.flush()
    collector.wait_for_spans(1502)
    assert sorted(collector.names()) == sorted([*numbered(0, 1500), "urgent", "next"])
    assert [name for name in collector.names() if name.startswith("span")] == numbered(0, 1500)
    wait_until(lambda: counted() == (1502, 0, 0, 0, 0))
    oi.shutdown()
    assert not list(tmp_path.rglob("*.spool"))
    assert not list(tmp_path.rglob("*.sent"))


def test_two_collectors(collector: GrpcCollector, other: GrpcCollector, record: Record) -> None:
    """What was recorded for one collector is never sent to another one."""
    collector.stop()
    record(collector)("for the first")
    record(other)("for the second")
    assert oi.flush()
    time.sleep(0.3)
    assert other.names() == ["for the second"]
    collector.start()
    record(collector)("again for the first")
    oi.flush()
    collector.wait_for_spans(2)
    assert collector.names() == ["for the first", "again for the first"]
    assert other.names() == ["for the second"]


def test_without_a_spool(
    collector: GrpcCollector, record: Record, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    """What is in memory at a shutdown without a collector is lost, counted and told; nothing is sent later."""
    collector.stop()
    record(collector, spool_dir="off")(*numbered(0, 10))
    assert counted() == (0, 0, 0, 10, 0)
    oi.shutdown(timeout_ms=300)
    assert counted() == (0, 0, 10, 0, 0)
    assert oi.status().lost == {"shutdown": 10}
    assert any("10 span(s)" in line and "are dropped, shutdown" in line for line in lines())
    assert not list(tmp_path.rglob("*.spool"))
    collector.start()
    record(collector)("next")
    assert oi.flush()
    assert collector.names() == ["next"]


def test_full_speed(collector: GrpcCollector, record: Record) -> None:
    """20 000 spans, recorded faster than the collector takes them: all arrive once, in order, and none is in memory."""
    collector.answer = lambda *_: time.sleep(0.1)
    spans = record(collector)
    most = 0
    for number in range(20_000):
        spans(f"span {number}")
        if not number % 100:
            most = max(most, oi.status().waiting)
    assert most == 0
    flushed = oi.flush(timeout_ms=60_000)
    assert flushed
    assert flushed.accepted == 20_000
    assert collector.names() == numbered(0, 20_000)
    assert counted() == (20_000, 0, 0, 0, 0)


def test_full_speed_in_memory(collector: GrpcCollector, record: Record) -> None:
    """Without a spool memory is bounded: what does not fit is lost, counted; the rest arrives once, in order."""
    collector.answer = lambda *_: time.sleep(0.1)
    spans = record(collector, spool_dir="off")
    most = 0
    for number in range(20_000):
        spans(f"span {number}")
        if not number % 100:
            most = max(most, oi.status().waiting)
    assert 0 < most <= 2048
    flushed = oi.flush(timeout_ms=60_000)
    assert flushed.waiting == 0
    assert flushed.accepted + (flushed.lost or {})["queue_full"] == 20_000
    arrived = [int(name.removeprefix("span ")) for name in collector.names()]
    assert len(arrived) == flushed.accepted
    assert arrived == sorted(set(arrived))


# --- who sends what others left


@pytest.fixture
def left(collector: GrpcCollector, record: Record) -> None:
    """Something an earlier configuration left for the collector."""
    collector.stop()
    record(collector)("left")
    oi.shutdown(timeout_ms=200)
    collector.start()


@pytest.mark.usefixtures("left")
def test_what_was_left_and_a_short_life(collector: GrpcCollector, record: Record) -> None:
    """A process that lives for a moment sends what the one before left, too: it may be the only kind there is."""
    record(collector)("short")
    oi.shutdown()
    assert sorted(collector.names()) == ["left", "short"]


@pytest.mark.usefixtures("left")
def test_more_was_left_than_is_taken_at_a_time(collector: GrpcCollector, record: Record) -> None:
    """While there is more of it, a living process takes it over round by round, not after a pause of seconds each."""
    (file,) = Path(os.environ["OTEL_INTERACTIONS_SPOOL_DIR"]).rglob("*.spool")
    for number in range(99):  # as short-lived workers leave them that end without flushing
        file.with_name(f"{file.stem}-{number}.spool").write_bytes(file.read_bytes())
    record(collector)("living")
    collector.wait_for_spans(101, timeout=5)
    assert Counter(collector.names()) == {"left": 100, "living": 1}
