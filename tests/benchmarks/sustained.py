"""How much the collector takes in and loads for a long time, and how it behaves at half of that and in a burst."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, linear_regression, median
from typing import Any

import httpx
import psutil
from load_generator import SPANS, LoadGenerator, Order, Sent
from measure import Samples, Threads, by_role, cpu_of_threads, percentile, until
from otlp_builders import span, traces
from processes import CollectorProcess, running
from report import Table

from collector.query.questions import Asker

PROBES, PROBE_SECONDS, BURST_SECONDS = 5, 15.0, 5.0
OLDEST_SECONDS = 5.0  # the oldest span not yet stored may be so old while loading keeps up
GROWN_SECONDS = 0.5  # what it may vary
IN_FLIGHT = 64
STORED = "SELECT count() AS n FROM otel.otel_traces WHERE Timestamp > now() - 60 AND TraceId = {trace:String}"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Moment:
    """The collector at one moment: the age of the oldest span not stored, memory in bytes, CPU seconds of threads."""

    oldest: float
    rss: int
    threads: Threads


@dataclass(frozen=True, slots=True)
class Run:
    """What happened while spans came at a rate."""

    rate: float
    sent: Sent
    moments: list[Moment]

    @property
    def spans(self) -> int:
        """All that were acknowledged."""
        return len(self.sent.waits_ms) * SPANS

    @property
    def kept_up(self) -> bool:
        """Tell whether all was taken in time and the wait for storage did not grow in the second half."""
        ages = [moment.oldest for moment in self.moments[len(self.moments) // 2 :]]
        third, last = ages[: len(ages) // 2], ages[len(ages) // 2 :]
        in_time = self.sent.seconds < self.spans / self.rate * 1.02 + 0.5
        return in_time and max(ages) < OLDEST_SECONDS and fmean(last) < fmean(third) + GROWN_SECONDS


class Subject:
    """A collector under load."""

    def __init__(self, collector: CollectorProcess, generator: LoadGenerator) -> None:
        assert collector.process
        self.collector, self.pid, self._generator, self._first = collector, collector.process.pid, generator, 0
        self._http = httpx.Client(base_url=f"http://{collector.endpoints['http']}")
        self.run(100)  # warm
        self.catch_up()

    def _moment(self) -> Moment:
        rss = psutil.Process(self.pid).memory_info().rss
        return Moment(self._health()["oldest_unsaved_seconds"], rss, cpu_of_threads(self.pid))

    def _health(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.get("/health").json()
        return answer

    def run(self, requests: int, rate: float = 0, meanwhile: Callable[[Future[Sent]], None] = lambda _: None) -> Run:
        """Send requests, as fast as they are taken or at a rate of spans/s, and watch."""
        order = Order(self.collector.endpoints["grpc"], self._first, requests, rate, IN_FLIGHT)
        self._first += requests
        with ThreadPoolExecutor(1) as pool, Samples(self._moment) as moments:
            sending = pool.submit(self._generator.send, order)
            meanwhile(sending)
            return Run(rate, sending.result(), moments.values)

    def catch_up(self) -> float:
        """Wait until all is stored; return the seconds."""
        begun = time.perf_counter()
        until(lambda: not self._health()["queue_depth"], 1200)
        return time.perf_counter() - begun

    def journal_bytes(self) -> int:
        """Return how much the journal holds."""
        return sum(file.stat().st_size for file in self.collector.data_dir.glob("journal/*"))


def hold(subject: Subject, rate: float, seconds: float, **meanwhile: Callable[[Future[Sent]], None]) -> Run:
    """Offer spans at a rate for so long."""
    return subject.run(int(rate * seconds / SPANS) + 1, rate, **meanwhile)


def highest(subject: Subject, guess: float, seconds: float) -> Run:
    """Search the highest rate that loading keeps up with, by short runs, then prove it by a long one."""
    low, high = 0.0, 0.0
    for _ in range(PROBES):
        if hold(subject, guess, min(PROBE_SECONDS, seconds / 2)).kept_up:
            low = guess
        else:
            high = guess
        subject.catch_up()
        guess = (low + high) / 2 if high else low * 1.3
    rate = low or guess
    while not (run := hold(subject, rate, seconds)).kept_up:
        subject.catch_up()
        rate *= 0.92
    return run


def until_queryable(subject: Subject, sending: Future[Sent], waits: list[float]) -> None:
    """While spans are sent, end a span now and then, and note the milliseconds until SQL finds it."""
    asker = Asker(f"http://{subject.collector.endpoints['sql']}")
    while not (sending.done() and waits):
        trace, ended = secrets.token_bytes(16), time.time_ns()
        subject.collector.send(traces(span("marker", trace_id=trace, end_time_unix_nano=ended)))
        until(lambda trace=trace: asker.rows(STORED, trace=trace.hex())[0]["n"] == 1, 60, every=0.03)
        waits.append((time.time_ns() - ended) / 1e6)
    asker.close()


def burst(subject: Subject) -> tuple[Table, float]:
    """Send as much as is acknowledged for a few seconds; return what came of it and the rate it was loaded at."""
    trial = subject.run(100)
    subject.catch_up()
    run = subject.run(int(100 / trial.sent.seconds * BURST_SECONDS))
    held, waited = subject.journal_bytes(), subject.catch_up()
    loaded = run.spans / (run.sent.seconds + waited)
    rows = [
        ["acknowledged, spans/s", f"{run.spans / run.sent.seconds:,.0f}"],
        ["for so long, s", f"{run.sent.seconds:.1f}"],
        ["refused as busy, requests", str(run.sent.refused)],
        ["acknowledgement ms, p50 / p99", acknowledgement(run.sent)],
        ["journal at its end, MiB", f"{held / MIB:.0f}"],
        ["until all was loaded after its end, s", f"{waited:.1f}"],
        ["loaded, spans/s", f"{loaded:,.0f}"],
    ]
    return Table("a burst", ["figure", "value"], rows), loaded


def acknowledgement(sent: Sent) -> str:
    """Show how long acknowledgements took."""
    return f"{median(sent.waits_ms):.1f} / {percentile(sent.waits_ms, 0.99):.1f}"


def steady_table(run: Run) -> Table:
    """Show the long run."""
    used = sum(by_role([moment.threads for moment in run.moments]).values())
    memory = [moment.rss / MIB for moment in run.moments][len(run.moments) // 4 :]
    minutes = [number * run.sent.seconds / 60 / len(run.moments) for number in range(len(memory))]
    rows = [
        ["sustained, spans/s", f"{run.rate:,.0f}"],
        ["for so long, s", f"{run.sent.seconds:.0f}"],
        ["loading kept up", "yes" if run.kept_up else "no"],
        ["oldest span not yet stored, s, most", f"{max(moment.oldest for moment in run.moments):.1f}"],
        ["acknowledgement ms, p50 / p99", acknowledgement(run.sent)],
        ["CPUs used by the collector with ClickHouse", f"{used / run.sent.seconds:.2f}"],
        ["CPUs used by the load generator", f"{run.sent.cpu_seconds / run.sent.seconds:.2f}"],
        ["memory MiB, least / most", f"{min(memory):.0f} / {max(memory):.0f}"],
        ["memory, MiB a minute", f"{linear_regression(minutes, memory).slope:+.1f}"],
    ]
    return Table("a rate held", ["figure", "value"], rows)


def threads_table(run: Run) -> Table:
    """Show where the collector's CPU time goes."""
    used = by_role([moment.threads for moment in run.moments])
    rows = [[role, f"{each / run.spans * 1e6:.1f}", f"{each / sum(used.values()):.0%}"] for role, each in used.items()]
    return Table("where its CPU time goes", ["threads", "us per span", "share"], rows)


def half_table(run: Run, queryable: list[float]) -> Table:
    """Show what people see at half the rate."""
    rows = [
        ["spans/s", f"{run.rate:,.0f}"],
        ["acknowledgement ms, p50 / p99", acknowledgement(run.sent)],
        ["end of span to queryable ms, p50 / p99", f"{median(queryable):.0f} / {percentile(queryable, 0.99):.0f}"],
        ["spans looked for", str(len(queryable))],
    ]
    return Table("at half of that, default settings", ["figure", "value"], rows)


def sustained(generator: LoadGenerator, seconds: float, rate: float) -> Iterator[list[Table]]:
    """Burst, search and hold the highest rate, then half of it; or, if there is a rate, hold that and nothing else."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as collector:
        subject = Subject(collector, generator)
        if rate:
            run = hold(subject, rate, seconds)
            yield [steady_table(run), threads_table(run)]
            return
        shown, loaded = burst(subject)
        yield [shown]
        run = highest(subject, loaded, seconds)
        yield [steady_table(run), threads_table(run)]
        subject.catch_up()
        waits: list[float] = []
        half = hold(
            subject, run.rate / 2, seconds / 2, meanwhile=lambda sending: until_queryable(subject, sending, waits)
        )
        yield [half_table(half, waits)]
