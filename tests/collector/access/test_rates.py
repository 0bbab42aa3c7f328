"""Token buckets: what passes, what waits, and how long."""

from __future__ import annotations

import random
from typing import Any

import pytest

from collector.access.rates import Rate, Rates
from collector.errors import Retryable


def passes(rates: Rates, key: str = "", size: int = 0) -> float:
    """Return 0 where a request passes, else the seconds it is told to wait."""
    try:
        rates.admit(key, size)
    except Retryable as refusal:
        return refusal.retry_after or -1.0
    return 0.0


def test_the_reason_is_told(kept: Any) -> None:
    """A refusal says why, so that it is counted."""
    rates = Rates(kept.ring, Rate(requests=1), burst=0)
    rates.admit("", 0)
    with pytest.raises(Retryable) as refusal:
        rates.admit("", 0)
    assert refusal.value.reason == "rate_limit"
    assert 0 < refusal.value.retry_after <= 1


def test_without_limits_everything_passes(kept: Any) -> None:
    """0 is no limit."""
    rates = Rates(kept.ring, Rate(0, 0), burst=10)
    assert not any(passes(rates, size=10**12) for _ in range(10_000))


def test_a_burst_then_the_rate(kept: Any, clock: Any) -> None:
    """Ten seconds' worth at once, then five a second; who waits as told comes in."""
    rates = Rates(kept.ring, Rate(requests=5), burst=10)
    assert sum(not passes(rates) for _ in range(100)) == 50
    wait = passes(rates)
    assert wait == pytest.approx(0.2)
    clock.now += wait + 1e-9
    assert not passes(rates)
    assert passes(rates)
    clock.now += 1000
    assert sum(not passes(rates) for _ in range(100)) == 50


def test_less_than_one_request_a_second(kept: Any, clock: Any) -> None:
    """A rate below one a burst still lets one pass."""
    rates = Rates(kept.ring, Rate(requests=0.01), burst=0)
    assert not passes(rates)
    assert passes(rates) == pytest.approx(100)
    clock.now += 100.001
    assert not passes(rates)


def test_bytes_are_owed(kept: Any, clock: Any) -> None:
    """A request larger than the bucket passes, and what it owes is waited for."""
    rates = Rates(kept.ring, Rate(bytes=1000), burst=2)
    assert not passes(rates, size=10_000)
    assert passes(rates, size=1) == pytest.approx(8)
    clock.now += 7.999
    assert passes(rates, size=1)
    clock.now += 0.002
    assert not passes(rates, size=1)


def test_what_was_not_known_before_is_owed_after(kept: Any, clock: Any) -> None:
    """A body that inflates is counted inflated; one that ends early gets back what was taken."""
    rates = Rates(kept.ring, Rate(bytes=1000), burst=1)
    assert not passes(rates, size=100)
    rates.settle("", 10_000 - 100)
    assert passes(rates) == pytest.approx(9)
    clock.now += 9.001
    assert not passes(rates, size=5000)
    rates.settle("", -5000)
    assert not passes(rates)


def test_what_is_refused_costs_nothing(kept: Any, clock: Any) -> None:
    """A refused request takes neither a turn nor bytes."""
    rates = Rates(kept.ring, Rate(requests=1, bytes=100), burst=1)
    assert not passes(rates, size=150)
    for _ in range(100):
        assert passes(rates, size=1000) == pytest.approx(1)
    clock.now += 1.001
    assert not passes(rates, size=1)


@pytest.mark.parametrize("seed", range(3))
def test_the_average_holds(kept: Any, clock: Any, seed: int) -> None:
    """Whoever sends whenever: over any time no more passes than the rate and one burst, and one body."""
    choose = random.Random(seed)
    rates = Rates(kept.ring, Rate(requests=20, bytes=50_000), burst=3)
    begun, count, size = clock.now, 0, 0
    for _ in range(20_000):
        clock.now += choose.expovariate(100)
        declared, actual = choose.randrange(5_000), choose.randrange(10_000)
        if not passes(rates, size=declared):
            rates.settle("", actual - declared)
            count, size = count + 1, size + actual
    seconds = clock.now - begun + 3
    print(f"seed {seed}: {count / seconds:.2f} requests/s, {size / seconds:.0f} bytes/s")
    assert count <= 20 * seconds + 1
    assert size <= 50_000 * seconds + 10_000
    assert size >= 0.9 * 50_000 * (seconds - 3)


def test_keys_do_not_share(kept: Any, clock: Any) -> None:
    """Each key has buckets of its own, and where it has limits of its own those count, 0 for none."""
    slow, _ = kept.add(requests_per_second=1)
    free, _ = kept.add(requests_per_second=0)
    plain, _ = kept.add()
    clock.now += 1
    rates = Rates(kept.ring, Rate(requests=2), burst=1)
    passed = {key.id: sum(not passes(rates, key.id) for _ in range(50)) for key in (slow, free, plain)}
    assert passed == {slow.id: 1, free.id: 50, plain.id: 2}
