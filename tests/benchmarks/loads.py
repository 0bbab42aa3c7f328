"""How many batches should be inserted at the same time? A burst, and the rate it is loaded at, in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from load_generator import SPANS, LoadGenerator
from processes import running
from report import Table
from server_process import ClickHouseServer
from sustained import Subject

AT_ONCE = (1, 2, 4)
FAR_SECONDS = 0.5  # what an insert takes longer where ClickHouse is far away, or waits for its replicas


def loads(generator: LoadGenerator, requests: int, rounds: int) -> Table:
    """Load a burst into the embedded engine, into a server on this machine, and into one that answers late."""
    places = {"embedded": None, "a server": 0.0, f"a server that answers {FAR_SECONDS} s later": FAR_SECONDS}
    rates: dict[tuple[str, int], list[float]] = {(place, many): [] for place in places for many in AT_ONCE}
    for _ in range(rounds):
        for place, slow in places.items():
            for many in AT_ONCE:
                with subject(generator, many, slow) as collector:
                    run = collector.run(requests)
                    rates[place, many].append(requests * SPANS / (run.sent.seconds + collector.catch_up()))
    rows = [[place, *(f"{median(rates[place, many]):,.0f}" for many in AT_ONCE)] for place in places]
    return Table("a burst loaded, spans/s, by batches at the same time", ["into", *map(str, AT_ONCE)], rows)


@contextmanager
def subject(generator: LoadGenerator, many: int, slow: float | None) -> Iterator[Subject]:
    """Run a collector, in front of a server unless `slow` is None, that inserts so many batches at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--parallel-loads", str(many)]
        server = None
        if slow is not None:
            server = ClickHouseServer(Path(folder) / "server")
            server.start()
            server.faults(slow=slow)
            flags += ["--clickhouse-url", server.url]
        try:
            with running(Path(folder) / "data", *flags) as collector:
                yield Subject(collector, generator)
        finally:
            if server:
                server.kill()
