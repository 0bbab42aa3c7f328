"""`make bench`: what the collector and the SDK cost, beside Rotel, as tables and with `--json FILE` for machines."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from asking import asking
from compare import compare
from flood import flood
from journal import journal
from load_generator import LoadGenerator
from loads import loads
from measure import machine
from merges import merges
from peers import peers
from report import Report, Table
from sdk import sdk
from sustained import sustained

SMALL = os.environ.get("BENCH_SIZE") == "small"  # a minute or two, to see that it works; its figures say little
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "80" if SMALL else "960"))  # a multiple of all batches
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1" if SMALL else "3"))
BATCHES = [40_960] if SMALL else [8192, 40_960]  # Rotel's default, and what our segments grow to
ROWS = int(os.environ.get("BENCH_ROWS", "200000" if SMALL else "20000000"))  # to ask about
CACHE = Path(".cache")
RATE = float(os.environ.get("BENCH_RATE", "0"))  # spans/s to hold in `sustained` instead of searching the highest
DEFAULT = "compare,sustained,sdk"
Tables = Iterable[list[Table]]


def seconds(usual: float) -> float:
    """Return how long one measurement takes: BENCH_SECONDS, or what is usual for its part."""
    return float(os.environ.get("BENCH_SECONDS", usual / 10 if SMALL else usual))


def loaded(part: Callable[[LoadGenerator], Tables]) -> Tables:
    """Run a part that needs the load generator."""
    generator = LoadGenerator()
    try:
        yield from part(generator)
    finally:
        generator.close()


PARTS: dict[str, tuple[str, Callable[[], Tables]]] = {
    "compare": (
        "CPU a span beside Rotel's (BENCH_REQUESTS, BENCH_ROUNDS)",
        lambda: loaded(lambda generator: [compare(generator, REQUESTS, ROUNDS, BATCHES)]),
    ),
    "loads": (
        "batches inserted at the same time (BENCH_REQUESTS, BENCH_ROUNDS)",
        lambda: loaded(lambda generator: [[loads(generator, REQUESTS // 2, ROUNDS)]]),
    ),
    "sustained": (
        "the highest rate that loading keeps up with, or one given (BENCH_RATE), for 60 s; latencies",
        lambda: loaded(lambda generator: sustained(generator, seconds(60), RATE)),  # 600 s: does memory stay flat?
    ),
    "flood": ("memory and a small sender under ten times the load, 30 s each", lambda: [[flood(seconds(30))]]),
    "journal": ("group commit, fsync against os; a start with a backlog, 4 s each", lambda: journal(seconds(4))),
    "asking": (
        "how long questions take about many interactions (BENCH_ROWS), made once and kept in .cache",
        lambda: [[asking(ROWS, CACHE)]],
    ),
    "merges": ("how often merges write a row anew", lambda: [[merges(0.1 if SMALL else 1.0)]]),
    "sdk": (
        "what an interaction costs the application, beside the stock SDK (BENCH_ROUNDS)",
        lambda: [sdk(ROUNDS, 2_000 if SMALL else 20_000)],
    ),
    "peers": (
        "a recorded tool call beside the decorators of other products, which it installs (BENCH_ROUNDS)",
        lambda: [peers(ROUNDS, 2_000 if SMALL else 20_000)],
    ),
}


def arguments() -> argparse.Namespace:
    """Read the command line; its help names the parts."""
    lines = [f"  {name:10} {what}" for name, (what, _) in PARTS.items()]
    epilog = f"BENCH_PARTS, separated by commas ({DEFAULT}); BENCH_SECONDS says how long:\n" + "\n".join(lines)
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=epilog, formatter_class=shape)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there too")
    return parser.parse_args()


def main() -> None:
    """Run the parts asked for."""
    file, asked = arguments().json, os.environ.get("BENCH_PARTS", DEFAULT).split(",")
    runs = [run for name, (_, run) in PARTS.items() if name in asked]
    if len(runs) < len(asked):
        raise SystemExit(f"BENCH_PARTS takes {', '.join(PARTS)}, each once")
    report = Report(machine(), file)
    for run in runs:
        for tables in run():
            report.add(tables)


if __name__ == "__main__":
    main()
