"""What does the journal cost, and what would it cost without a sync (`--durability os`)?

1. Group commit alone, requests of one small span and of 512 spans: how many a second, how long until the
   acknowledgement, CPU per request.
2. The same at a steady rate behind the validation, as in the collector: what an acknowledgement takes beyond one sync.
3. A start with a backlog, its ledgers there and gone.
4. Recognising a body that is sent again, beside validating it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from measure import percentile
from otlp_builders import span, traces
from report import Table

from collector.journal.segment import Segment
from collector.journal.store import Keeping, Store
from collector.journal.writer import Journal, Limits
from collector.receive.duplicates import Duplicates
from collector.receive.intake import Intake
from collector.receive.validate import VALIDATORS
from collector.request import Content, Request, Sender, Signal
from collector.telemetry import Counters

LOADS = ((1_000, 1), (1_000, 64), (400_000, 8))  # bytes of a request (one span, and 512), and how many in flight
RATES = (20, 60, 100)  # requests a second
SPANS = 512
LIMITS = Limits(10_000, 32 << 20, 1.0)
SEGMENTS, REMEMBERED = 200, 200_000  # in the backlog; bodies known
DURABILITY = {True: "fsync", False: "os"}


class Bench:
    """One journal whose segments are thrown away at once, and how many ms each step of it took."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.store = Store(folder, Keeping(durable=durable))
        self.syncs: list[float] = []
        self.waits: list[float] = []
        self.journal = Journal(self.store, LIMITS, self, lambda seconds: self.syncs.append(seconds * 1000))

    def enqueue(self, segment: Path, _: Content) -> None:
        """Take a frozen segment in the loader's place."""
        self.store.retire(segment)

    def is_busy(self) -> bool:
        """The loader never is."""
        return False

    async def append(self, request: Request) -> None:
        """Append, and take the time."""
        begun = time.perf_counter()
        await self.journal.append(request)
        self.waits.append((time.perf_counter() - begun) * 1000)

    async def push(self, size: int, in_flight: int, seconds: float) -> None:
        """Append as hard as it goes."""
        body, end = os.urandom(size), time.perf_counter() + seconds

        async def sender() -> None:
            while time.perf_counter() < end:
                now = time.time_ns()
                await self.append(Request(Signal.TRACES, body, 10, "default", now, "::1", identity=body[:16]))

        await asyncio.gather(*(sender() for _ in range(in_flight)))

    async def validate(self, bodies: list[bytes], rate: int, seconds: float) -> None:
        """Append at a steady rate what passes the validation."""
        intake, begun, tasks = Intake(self.append, 1 << 30, Counters()), time.perf_counter(), []
        for number in range(max(1, int(rate * seconds))):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            body = bodies[number % len(bodies)]
            tasks.append(asyncio.ensure_future(intake.accept(Signal.TRACES, body, Sender())))
        await asyncio.gather(*tasks)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a load did to a journal."""

    bench: Bench
    seconds: float
    cpu: float

    @property
    def many(self) -> int:
        """All that were acknowledged."""
        return len(self.bench.waits)


def run(load: Callable[[Bench], Coroutine[Any, Any, None]], *, durable: bool) -> Ran:
    """Run a load on a journal of its own."""

    async def ran(bench: Bench) -> Ran:
        bench.journal.start(lambda *_: None)
        begun, cpu = time.perf_counter(), time.process_time()
        await load(bench)
        result = Ran(bench, time.perf_counter() - begun, time.process_time() - cpu)
        await asyncio.to_thread(bench.journal.stop)
        return result

    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(ran(Bench(Path(folder), durable=durable)))


def quantiles(values: list[float]) -> str:
    """Show what is usual, and what one in a hundred takes."""
    return f"{median(values):.2f} / {percentile(values, 0.99):.2f}" if values else "none"


def alone(seconds: float) -> Table:
    """Push as hard as it goes."""
    rows = []
    for size, in_flight in LOADS:
        for durable, name in DURABILITY.items():
            ran = run(partial(Bench.push, size=size, in_flight=in_flight, seconds=seconds), durable=durable)
            figures = (f"{ran.many / ran.seconds:,.0f}", quantiles(ran.bench.waits), f"{ran.cpu / ran.many * 1e6:.0f}")
            rows.append([f"{size:,} bytes", str(in_flight), name, *figures])
    columns = ["request", "in flight", "durability", "requests/s", "ack ms p50 / p99", "CPU us/request"]
    return Table("group commit", columns, rows)


def behind_validation(seconds: float, bodies: list[bytes]) -> Table:
    """Push at a steady rate, through the intake."""
    rows = []
    for rate in RATES:
        for durable, name in DURABILITY.items():
            ran = run(partial(Bench.validate, bodies=bodies, rate=rate, seconds=seconds), durable=durable)
            offered = f"{SPANS * ran.many / ran.seconds:,.0f}"
            rows.append([offered, name, quantiles(ran.bench.syncs), quantiles(ran.bench.waits)])
    columns = ["spans/s", "durability", "sync ms p50 / p99", "ack ms p50 / p99"]
    return Table("group commit behind the validation, at a steady rate", columns, rows)


def start_with_backlog() -> Table:
    """Start on frozen segments, with the ledgers of who is in them and without."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(Store(folder, Keeping()))
        rows = [["there", started(folder)]]
        for ledger in folder.glob("*.seen"):
            ledger.unlink()
        rows.append(["gone", started(folder)])
    return Table(f"a start with {SEGMENTS} segments of 8 MB, in the page cache", ["ledgers", "seconds"], rows)


def fill(store: Store) -> None:
    """Freeze a backlog."""
    requests = [Request(Signal.TRACES, os.urandom(400_000), SPANS, "t", 1, "", identity=b"i" * 16) for _ in range(20)]
    for _ in range(SEGMENTS):
        segment = Segment(store.folder, Signal.TRACES, durable=False)
        segment.append(requests)
        store.freeze(segment)


def started(folder: Path) -> str:
    """Return the seconds a start takes to know what waits."""
    begun = time.perf_counter()
    assert len(Store(folder, Keeping()).recover(lambda *_: None)) == SEGMENTS
    return f"{time.perf_counter() - begun:.3f}"


def sent_again(bodies: list[bytes]) -> Table:
    """Recognise bodies, beside validating them."""
    known = Duplicates(bytes(32), 600, REMEMBERED)
    tracemalloc.start()
    for number in range(REMEMBERED):
        known.restore(0.0, number.to_bytes(16))
    size = tracemalloc.get_traced_memory()[0] / REMEMBERED
    tracemalloc.stop()
    look_up = least(bodies, lambda body: known.find(known.mark(Signal.TRACES, "default", body)))
    rows = [
        ["hash and look up, us", f"{look_up:.0f}"],
        ["validate, us", f"{least(bodies, VALIDATORS[Signal.TRACES]):.0f}"],
        ["memory for each that is remembered, bytes", f"{size:.0f}"],
    ]
    return Table(f"a request of {SPANS} spans, {len(bodies[0]):,} bytes; {REMEMBERED:,} known", ["", "least"], rows)


def least(bodies: list[bytes], step: Callable[[bytes], object]) -> float:
    """Return the fewest us a step takes for a body."""
    took = []
    for body in bodies * 5:
        begun = time.perf_counter()
        step(body)
        took.append((time.perf_counter() - begun) * 1e6)
    return min(took)


def journal(seconds: float) -> Iterator[list[Table]]:
    """Measure each."""
    values = {f"attribute.{number}": "value" * number for number in range(11)} | {"text": "x" * 300}
    bodies = [traces(*(span("chat", values) for _ in range(SPANS))).SerializeToString() for _ in range(8)]
    yield [alone(seconds)]
    yield [behind_validation(seconds, bodies)]
    yield [start_with_backlog()]
    yield [sent_again(bodies)]
