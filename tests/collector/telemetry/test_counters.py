"""Totals and distributions that any thread may add to."""

from __future__ import annotations

import random
import sys
import threading
import time
from itertools import pairwise

import pytest

from collector.telemetry import counters as module
from collector.telemetry.counters import Counters, Distribution, Series, quantile
from collector.telemetry.families import FAMILIES


def test_threads_lose_nothing() -> None:
    """Totals and distributions are exact, however many threads add at once."""
    counters = Counters()

    def work() -> None:
        for _ in range(2000):
            counters.add("requests_received", signal="traces")
            counters.fate("stored", 3, requests=2, signal="logs")
            counters.observe("load_duration_seconds", 0.2, signal="logs")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.snapshot() == {"requests_received": 8000, "requests_stored": 16000, "items_stored": 24000}
    buckets, total = counters.distributions()["load_duration_seconds", "logs", ""]
    assert sum(buckets) == 8000
    assert total == pytest.approx(1600)


def test_no_snapshot_has_half_a_fate() -> None:
    """Requests and items of one fate are added in one step: no snapshot has one without the other."""
    counters, done = Counters(), threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads take turns at almost every step

    def work() -> None:
        while not done.is_set():
            counters.fate("journaled", 7)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20_000):
            seen = counters.snapshot()
            assert seen.get("items_journaled", 0) == 7 * seen.get("requests_journaled", 0)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()


def test_snapshot_sums_labels() -> None:
    """By name alone the signals count together; refusals are also told by their reason."""
    counters = Counters()
    counters.fate("refused", 0, signal="traces", reason="Malformed")
    counters.fate("refused", 5, signal="logs", reason="Retryable")
    counters.fate("refused", 0, signal="logs", reason="Malformed")
    assert counters.snapshot() == {
        "requests_refused": 3,
        "items_refused": 5,
        "refused_Malformed": 2,
        "refused_Retryable": 1,
    }
    assert counters.totals()[Series("requests_refused", "logs", "Malformed")] == 1


def test_totals_begin_at_zero() -> None:
    """Every total of every signal is there from the start: a rate needs the zero before the first event."""
    totals = Counters(["traces", "logs"]).totals()
    assert set(totals.values()) == {0}
    for family in FAMILIES.values():
        if family.kind == "counter" and "reason" not in family.labels:
            signals = {series.signal for series in totals if series.name == family.name}
            assert signals == ({"traces", "logs"} if family.labels else {""}), family.name


def test_quantiles_are_near_the_truth() -> None:
    """A quantile lies in the bucket the true one lies in, for any values."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    choose = random.Random(seed)
    values = sorted(choose.lognormvariate(-3, 1.5) for _ in range(999))
    bounds = FAMILIES["load_duration_seconds"].bounds
    distribution = Distribution(bounds)
    for value in values:
        distribution.observe(value)
    edges = [0.0, *bounds]
    for fraction in (0.5, 0.9, 0.99):
        found = quantile(bounds, distribution.recent(), fraction)
        truth = values[int(fraction * len(values))]
        lower, upper = next(pair for pair in pairwise(edges) if truth <= pair[1])
        assert found is not None
        assert lower <= found <= upper


def test_quantile_interpolates_as_promql() -> None:
    """Linear inside a bucket, the last bound for what is above it, none of nothing."""
    assert quantile((1.0, 2.0, 4.0), [0, 10, 10, 0], 0.75) == 3.0
    assert quantile((1.0, 2.0), [4, 0, 0], 0.5) == 0.5
    assert quantile((1.0, 2.0), [0, 0, 9], 0.5) == 2.0
    assert quantile((1.0, 2.0), [0, 0, 0], 0.5) is None


def test_quantiles_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quantile tells of the last minutes only, while the histogram keeps everything."""
    now = time.monotonic()
    counters = Counters()

    def at(seconds: float) -> None:
        monkeypatch.setattr(module.time, "monotonic", lambda: now + seconds)

    at(0)
    counters.observe("journal_sync_duration_seconds", 2.0)
    assert counters.quantiles("journal_sync_duration_seconds", 0.5)[0] > 1
    at(61)
    counters.observe("journal_sync_duration_seconds", 0.0004)
    assert counters.quantiles("journal_sync_duration_seconds", 0.99)[0] > 1  # the minute before still counts
    at(130)
    (fast,) = counters.quantiles("journal_sync_duration_seconds", 0.99)
    assert fast <= 0.0005
    at(300)
    assert counters.quantiles("journal_sync_duration_seconds", 0.5) == [None]
    buckets, _ = counters.distributions()["journal_sync_duration_seconds", "", ""]
    assert sum(buckets) == 2
