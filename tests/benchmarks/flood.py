"""`python tests/benchmarks/flood.py [SECONDS]`: memory and neighbours under ten times what the collector can take.

One key floods with large bodies (plain and gzip), slow bodies, half heads and gRPC calls, from a process of its own;
another key sends one small request after the other. Printed are the memory of the collector before, at its peak and
after, what became of the flood, and how long the small requests took. First without loading, so that the memory is the
receiver's alone, then with the loader at work.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from flooding import FloodProcess, body_of, rss, watching
from measure import machine
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess, add_key, running
from rich.console import Console
from rich.table import Table

from collector.access.keys import Scope

UNLOADED = ("--batch-seconds", "3600", "--batch-items", "1000000000", "--batch-bytes", "1000000000000")
CASES = [  # limit in MiB, largest request in MiB, size of the flood's bodies in MiB, connections, further flags
    (64, 8, 7, 90, UNLOADED),
    (256, 64, 7, 360, UNLOADED),
    (256, 64, 30, 90, UNLOADED),
    (256, 64, 7, 360, ()),
]
SMALL = traces(span("small")).SerializeToString()


def flood(collector: CollectorProcess, keys: list[str], size: int, connections: int, seconds: float) -> list[str]:
    """Flood a running collector; return the cells of its row."""
    assert collector.process
    pid, waits, refused = collector.process.pid, list[float](), 0
    with httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=60) as http:

        def post(key: str, body: bytes) -> int:
            headers = PROTOBUF | {"authorization": f"Bearer {key}"}
            return http.post("/v1/traces", content=body, headers=headers).status_code

        while post("x", b"") != httpx.codes.UNAUTHORIZED:
            time.sleep(0.1)
        for _ in range(2):
            post(keys[0], body_of(size))
        time.sleep(2)
        baseline = rss(pid)
        with watching(pid) as peak:
            flooding = FloodProcess(
                collector.endpoints["http"], collector.endpoints["grpc"], keys[0], size, connections
            )
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                begun = time.monotonic()
                refused += post(keys[1], SMALL) != httpx.codes.OK
                waits.append(time.monotonic() - begun)
            outcomes = flooding.stop()
            most = peak()
        begun = time.monotonic()
        assert post(keys[0], SMALL) == httpx.codes.OK
        again = time.monotonic() - begun
        time.sleep(5)
    waits.sort()
    told = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
    memory = [f"{each >> 20}" for each in (baseline, most, most - baseline, rss(pid))]
    times = f"{statistics.median(waits) * 1000:.0f} / {waits[int(len(waits) * 0.99)] * 1000:.0f}"
    return [*memory, told, f"{len(waits)}, {refused} refused", times, f"{again:.2f}"]


def main(seconds: float) -> None:
    """Print the table."""
    console = Console(width=200)
    console.print(machine())
    names = ("limit MiB", "bodies MiB", "offered MiB", "loading", "RSS before", "peak", "above", "5 s after")
    table = Table(*names, "flood", "small", "p50 / p99 ms", "accepts again s", title=f"{seconds:g} s each")
    for limit, largest, size, connections, flags in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "data"
            limits = ("--memory-limit-mib", str(limit), "--max-request-bytes", str(largest << 20))
            with running(folder, *limits, *flags, "--drain-seconds", "0") as collector:
                keys = [add_key(folder) for _ in range(2)]
                collector.key = add_key(folder, Scope.READ)
                row = flood(collector, keys, size << 20, connections, seconds)
                table.add_row(str(limit), str(size), str(size * connections), "no" if flags else "yes", *row)
    console.print(table)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 30.0)
