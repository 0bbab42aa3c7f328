"""Small applications that record themselves, run by `make demo`, and short enough to copy from.

Each prints one JSON line at its end: what it recorded, so that the demo can check that all of it arrived.
"""

from __future__ import annotations

import json
import sys

import otel_interactions as oi


def report(*, flush: bool = True) -> None:
    """Print how many interactions this process recorded, once they are sent."""
    if flush:
        oi.flush()
    json.dump({"recorded": sum(oi.status().recorded.values())}, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()
