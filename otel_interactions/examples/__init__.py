"""Small applications that record themselves, run by `make demo`, and short enough to copy from.

Each prints one JSON line at its end: what it recorded, so that the demo can check that all of it arrived.
"""

from __future__ import annotations

import json
import sys

import otel_interactions as oi


def report() -> None:
    """Flush, and print how many interactions this process recorded."""
    oi.flush()
    json.dump({"recorded": sum(oi.status().recorded.values())}, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()
