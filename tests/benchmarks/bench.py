"""`make bench`: what the collector and the SDK cost, beside Rotel, as tables and with `--json FILE` for machines."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from compare import compare
from load_generator import LoadGenerator
from loads import loads
from measure import machine
from merges import merges
from report import Report
from sdk import sdk
from sustained import sustained

SMALL = os.environ.get("BENCH_SIZE") == "small"  # a minute or two, to see that it works; its figures say little
PARTS = os.environ.get("BENCH_PARTS", "compare,sustained,sdk").split(",")
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "80" if SMALL else "960"))  # a multiple of all batches
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1" if SMALL else "3"))
BATCHES = [40_960] if SMALL else [8192, 40_960]  # Rotel's default, and what our segments grow to
SECONDS = float(os.environ.get("BENCH_SECONDS", "6" if SMALL else "60"))  # 600 shows whether memory stays flat
RATE = float(os.environ.get("BENCH_RATE", "0"))  # spans/s to hold in `sustained` instead of searching the highest


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there too")
    report, generator = Report(machine(), parser.parse_args().json), LoadGenerator()
    try:
        if "compare" in PARTS:
            report.add(compare(generator, REQUESTS, ROUNDS, BATCHES))
        if "loads" in PARTS:
            report.add([loads(generator, REQUESTS // 2, ROUNDS)])
        if "sustained" in PARTS:
            for tables in sustained(generator, SECONDS, RATE):
                report.add(tables)
    finally:
        generator.close()
    if "merges" in PARTS:
        report.add([merges(0.1 if SMALL else 1.0)])
    if "sdk" in PARTS:
        report.add([sdk()])


if __name__ == "__main__":
    main()
