"""What the journal costs: `python tests/benchmarks/journal.py`, with the tests' support folder on PYTHONPATH.

1. Group commit alone, requests of one small span and of 512 spans, with each durability: how many a second, how long
   until the acknowledgement, CPU per request.
2. The same at a steady rate behind the validation, as in the collector: what an acknowledgement takes beyond one sync.
3. A start with a backlog, its ledgers there and gone.
4. Recognising a body that is sent again, beside validating it.

Compare figures of one run only: the disk and the machine are shared.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from otlp_builders import span, traces
from rich.console import Console
from rich.table import Table

from collector.journal.segment import Segment
from collector.journal.store import Keeping, Store
from collector.journal.writer import Journal, Limits
from collector.receive.duplicates import Duplicates
from collector.receive.intake import Intake
from collector.receive.validate import VALIDATORS
from collector.request import Content, Request, Sender, Signal
from collector.telemetry import Counters

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
SMALL, LARGE = 1_000, 400_000  # bytes of one span, and of 512
LIMITS = Limits(10_000, 32 << 20, 1.0)
SEGMENTS = 200  # in the backlog


class Bench:
    """One journal whose segments are thrown away at once, and how long each step of it took, in ms."""

    def __init__(self, *, durable: bool) -> None:
        """Write to a folder of its own."""
        self.folder = tempfile.mkdtemp()
        self.store = Store(Path(self.folder), Keeping(durable=durable))
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

    async def run(self, load: Callable[[Bench], Awaitable[None]]) -> tuple[float, float]:
        """Run a load; return how long it took and its CPU seconds."""
        self.journal.start(lambda *_: None)
        begun, cpu = time.perf_counter(), time.process_time()
        await load(self)
        took, used = time.perf_counter() - begun, time.process_time() - cpu
        await asyncio.to_thread(self.journal.stop)
        shutil.rmtree(self.folder)
        return took, used


def at(values: list[float], fraction: float) -> float:
    """Return a quantile."""
    return sorted(values)[int(len(values) * fraction)] if values else 0.0


def bench_alone(console: Console) -> None:
    """Push as hard as it goes."""
    table = Table(
        *("request", "in flight", "durability", "requests/s", "ack ms p50 / p99", "CPU us/request"),
        title="group commit",
    )
    for size, in_flight in ((SMALL, 1), (SMALL, 64), (LARGE, 8)):
        body = os.urandom(size)
        for durable in (True, False):
            bench = Bench(durable=durable)

            async def load(bench: Bench, body: bytes = body, in_flight: int = in_flight) -> None:
                end = time.perf_counter() + SECONDS

                async def sender() -> None:
                    while time.perf_counter() < end:
                        now = time.time_ns()
                        await bench.append(Request(Signal.TRACES, body, 10, "default", now, "::1", identity=body[:16]))

                await asyncio.gather(*(sender() for _ in range(in_flight)))

            took, used = uvloop.run(bench.run(load))
            count = len(bench.waits)
            table.add_row(
                f"{size:,} bytes",
                str(in_flight),
                "fsync" if durable else "os",
                f"{count / took:,.0f}",
                f"{at(bench.waits, 0.5):.2f} / {at(bench.waits, 0.99):.2f}",
                f"{used / count * 1e6:.0f}",
            )
    console.print(table)


def bodies() -> list[bytes]:
    """Make some requests of 512 spans, 800 bytes each."""
    values = {f"attribute.{number}": "value" * number for number in range(11)} | {"text": "x" * 300}
    return [traces(*(span("chat", values) for _ in range(512))).SerializeToString() for _ in range(8)]


def bench_behind_validation(console: Console, sent: list[bytes]) -> None:
    """Push at a steady rate, through the intake."""
    table = Table(
        *("spans/s", "durability", "sync ms p50 / p99", "acknowledgement ms p50 / p99"),
        title="group commit behind the validation, at a steady rate",
    )
    for rate in (20, 60, 100):
        for durable in (True, False):
            bench = Bench(durable=durable)
            intake = Intake(bench.append, 1 << 30, Counters())

            async def load(_: Bench, rate: int = rate, intake: Intake = intake) -> None:
                begun, tasks = time.perf_counter(), []
                for number in range(int(rate * SECONDS)):
                    await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
                    body = sent[number % len(sent)]
                    tasks.append(asyncio.ensure_future(intake.accept(Signal.TRACES, body, Sender())))
                await asyncio.gather(*tasks)

            took, _ = uvloop.run(bench.run(load))
            table.add_row(
                f"{512 * len(bench.waits) / took:,.0f}",
                "fsync" if durable else "os",
                f"{at(bench.syncs, 0.5):.2f} / {at(bench.syncs, 0.99):.2f}",
                f"{at(bench.waits, 0.5):.2f} / {at(bench.waits, 0.99):.2f}",
            )
    console.print(table)


def bench_start(console: Console) -> None:
    """Start with a backlog."""
    table = Table("backlog", "ledgers", "seconds to start", title="a start with a backlog, files in the page cache")
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), Store(Path(name), Keeping())
        requests = [Request(Signal.TRACES, os.urandom(LARGE), 512, "t", 1, "", identity=b"i" * 16) for _ in range(20)]
        for _ in range(SEGMENTS):
            segment = Segment(folder, Signal.TRACES, durable=False)
            segment.append(requests)
            store.freeze(segment)
        for there in ("yes", "no"):
            if there == "no":
                for path in folder.glob("*.seen"):
                    path.unlink()
            begun = time.perf_counter()
            found = Store(folder, Keeping()).recover(lambda *_: None)
            table.add_row(f"{len(found)} segments, 8 MB each", there, f"{time.perf_counter() - begun:.3f}")
    console.print(table)


def bench_duplicates(console: Console, sent: list[bytes]) -> None:
    """Recognise bodies, beside validating them."""
    known = Duplicates(bytes(32), 600, 200_000)
    tracemalloc.start()
    for number in range(200_000):
        known.restore(0.0, number.to_bytes(16))
    size = tracemalloc.get_traced_memory()[0] / 200_000
    tracemalloc.stop()
    table = Table("step", "us a request", title=f"a request of 512 spans, {len(sent[0]):,} bytes; 200,000 remembered")
    for label, step in (
        ("hash and look up", lambda body: known.find(known.mark(Signal.TRACES, "default", body))),
        ("validate", VALIDATORS[Signal.TRACES]),
    ):
        took = []
        for body in sent * 5:
            begun = time.perf_counter()
            step(body)
            took.append((time.perf_counter() - begun) * 1e6)
        table.add_row(label, f"{min(took):.0f}")
    table.add_row("bytes of memory for each that is remembered", f"{size:.0f}")
    console.print(table)


if __name__ == "__main__":
    out = Console()
    out.print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    made = bodies()
    bench_alone(out)
    bench_behind_validation(out, made)
    bench_start(out)
    bench_duplicates(out, made)
