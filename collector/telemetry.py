"""What the collector says of itself: log lines on standard error, and counters."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter

# Libraries whose words reach the operator as ours, or not at all.
_QUIET = {
    "asyncio": logging.WARNING,
    "clickhouse_connect": logging.CRITICAL,
    "urllib3.connectionpool": logging.CRITICAL,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}


def configure_logging(level: str) -> None:
    """Log to standard error, one line an event: time, level, where, what."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


class Counters:
    """Named totals that any thread may add to."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total."""
        with self._lock:
            self._totals[name] += amount

    def snapshot(self) -> dict[str, int]:
        """Return all totals at one moment."""
        with self._lock:
            return dict(self._totals)
