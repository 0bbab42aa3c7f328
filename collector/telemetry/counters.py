"""Totals and distributions any thread may add to, cheap enough for the path of every request.

Aggregated here rather than in prometheus_client's own metrics, which take three times as long for the same (a look-up
of the labels and a lock for each of sum and bucket).

What must balance while nothing is in flight, in requests and in items (spans, log records, data points) alike:

    received             = refused + duplicate + empty + journaled
    journaled + recovered = stored + dead + pending           (what waits in the journal is nobody's total: it is asked)
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from collector.telemetry.families import FAMILIES

_RECENT_SECONDS = 60.0  # a quantile is taken over the last one to two of these


class Series(NamedTuple):
    """Which of a family's figures: its name and the values of its labels, "" for none."""

    name: str
    signal: str
    reason: str


_Key = tuple[str, str, str]  # a Series without its class, five times as fast to make


class Distribution:
    """Counts by bucket since the start, and of the last minutes. Not thread safe: `Counters` locks."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Count what is at most each of `bounds`, and what is above."""
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self._recent, self._before = self.buckets.copy(), self.buckets.copy()
        self._turned_at = time.monotonic()

    def observe(self, value: float) -> None:
        """Add a value."""
        self._turn()
        at = bisect_left(self.bounds, value)
        self.buckets[at] += 1
        self._recent[at] += 1
        self.sum += value

    def _turn(self) -> None:
        passed = time.monotonic() - self._turned_at
        if passed < _RECENT_SECONDS:
            return
        nothing = [0] * len(self.buckets)
        self._before = self._recent if passed < 2 * _RECENT_SECONDS else nothing
        self._recent = nothing.copy()
        self._turned_at = time.monotonic()

    def recent(self) -> list[int]:
        """Return the counts of the last one to two minutes."""
        self._turn()
        return [before + now for before, now in zip(self._before, self._recent, strict=True)]


def quantile(bounds: Sequence[float], counts: Sequence[int], fraction: float) -> float | None:
    """Return the value below which `fraction` of what was counted lies, as PromQL's histogram_quantile interpolates.

    None without any; the highest bound for what lies above it.
    """
    if not (total := sum(counts)):
        return None
    rank, below = fraction * total, 0
    for at, bound in enumerate(bounds):
        if counts[at] and below + counts[at] >= rank:
            lower = bounds[at - 1] if at else 0.0
            return lower + (bound - lower) * (rank - below) / counts[at]
        below += counts[at]
    return bounds[-1]


class Counters:
    """The totals and distributions of one process. The names are those of `families.FAMILIES`."""

    def __init__(self, signals: Sequence[str] = ()) -> None:
        """Start at zero: the totals of each of these signals are told from the start, which rates need."""
        self._lock = threading.Lock()
        self._totals: dict[_Key, int] = {}
        self._distributions: dict[_Key, Distribution] = {}
        for family in FAMILIES.values() if signals else ():
            if family.kind == "counter" and "reason" not in family.labels:
                for signal in signals if family.labels else ("",):
                    self._totals[family.name, signal, ""] = 0

    def add(self, name: str, amount: int = 1, *, signal: str = "", reason: str = "") -> None:
        """Add to a total."""
        key = (name, signal, reason)
        with self._lock:
            self._totals[key] = self._totals.get(key, 0) + amount

    def fate(self, fate: str, items: int, *, requests: int = 1, signal: str = "", reason: str = "") -> None:
        """Add to both totals of a fate, `requests_<fate>` and `items_<fate>`, so that no snapshot has one alone."""
        whole, each = ("requests_" + fate, signal, reason), ("items_" + fate, signal, reason)
        with self._lock:
            self._totals[whole] = self._totals.get(whole, 0) + requests
            self._totals[each] = self._totals.get(each, 0) + items

    def observe(self, name: str, value: float, *, signal: str = "") -> None:
        """Add a value to a distribution."""
        key = (name, signal, "")
        with self._lock:
            distribution = self._distributions.get(key)
            if distribution is None:
                distribution = self._distributions[key] = Distribution(FAMILIES[name].bounds)
            distribution.observe(value)

    def totals(self) -> dict[Series, int]:
        """Return every total at one moment."""
        with self._lock:
            return {Series(*key): total for key, total in self._totals.items()}

    def snapshot(self) -> dict[str, int]:
        """Return the totals of all signals together by name, at one moment; refusals also as `refused_<reason>`."""
        flat: dict[str, int] = {}
        for series, total in self.totals().items():
            flat[series.name] = flat.get(series.name, 0) + total
            if series.name == "requests_refused":
                name = f"refused_{series.reason}"
                flat[name] = flat.get(name, 0) + total
        return flat

    def distributions(self) -> dict[Series, tuple[list[int], float]]:
        """Return the count in each bucket and the sum of every distribution, at one moment."""
        with self._lock:
            return {Series(*key): (each.buckets.copy(), each.sum) for key, each in self._distributions.items()}

    def quantiles(self, name: str, *fractions: float) -> list[float | None]:
        """Return quantiles of a distribution over the last one to two minutes, its signals taken together."""
        bounds = FAMILIES[name].bounds
        counts = [0] * (len(bounds) + 1)
        with self._lock:
            for key, each in self._distributions.items():
                if key[0] == name:
                    counts = [sum(pair) for pair in zip(counts, each.recent(), strict=True)]
        return [quantile(bounds, counts, fraction) for fraction in fractions]
