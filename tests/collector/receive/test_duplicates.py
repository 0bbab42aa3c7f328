"""A body that is sent again is recognised: by whom, for how long, and at what cost."""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from typing import Any

import pytest

from collector.errors import KeyReused, Retryable
from collector.receive import duplicates
from collector.receive.duplicates import Duplicates, Mark
from collector.request import Receipt, Signal

SECRET = bytes(range(32))
PART = Receipt(3, "3 spans have no id")
MARK = Mark(b"k" * 16)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def accept(known: Duplicates, body: bytes, receipt: Receipt = Receipt()) -> Mark:  # noqa: B008 - immutable
    """Let a body be accepted; return what it is recognised by."""
    mark = known.mark(Signal.TRACES, "default", body)
    known.restore(0.0, duplicates.identity(mark, receipt))
    return mark


async def answer(known: Duplicates, mark: Mark) -> Receipt | None:
    """Return the answer to an equal body, None if there is none."""
    found = known.find(mark)
    return await found if found else None


def test_what_a_hash_depends_on() -> None:
    """The body, the tenant, the signal and the directory's secret make the hash; nothing else does."""
    known = Duplicates(SECRET, 600, 100)
    first = known.mark(Signal.TRACES, "default", b"body")
    assert (len(first.key), first.body) == (16, b"")
    assert first == Duplicates(SECRET, 60, 10).mark(Signal.TRACES, "default", b"body")
    others = [
        known.mark(Signal.TRACES, "default", b"bodY"),
        known.mark(Signal.LOGS, "default", b"body"),
        known.mark(Signal.TRACES, "other", b"body"),
        known.mark(Signal.TRACES, "default", b"body", "/path"),
        known.mark(Signal.TRACES, "default", b"other", name="body"),
        known.mark(Signal.TRACES, "default", b"other", name="bodY"),
        Duplicates(bytes(32), 600, 100).mark(Signal.TRACES, "default", b"body"),
    ]
    assert len({each.key for each in (first, *others)}) == 8


async def test_off() -> None:
    """A window of 0 costs nothing and recognises nothing."""
    known = Duplicates(SECRET, 0, 100)
    assert known.mark(Signal.TRACES, "default", b"body", name="n") == Mark(b"")
    for _ in range(2):
        known.claim(Mark(b"")).accepted(Receipt())
    known.restore(0.0, bytes(16))
    assert known.find(Mark(b"")) is None
    assert known.find(Mark(bytes(16))) is None


async def test_for_the_window(clock: list[float]) -> None:
    """A body is recognised for the whole window, and for no more than a sixteenth longer."""
    known = Duplicates(SECRET, 160, 100)
    early = accept(known, b"early")
    clock[0] += 9
    late = accept(known, b"late")
    clock[0] += 150
    assert await answer(known, early) == await answer(known, late) == Receipt()
    clock[0] += 9.9
    assert await answer(known, late) == Receipt()
    clock[0] += 1
    assert await answer(known, early) is None
    assert await answer(known, late) is None


async def test_the_oldest_go_first() -> None:
    """There are never more than so many, and the latest are among them."""
    known = Duplicates(SECRET, 600, 160)
    keys = [accept(known, b"%d" % number) for number in range(1000)]
    found = [number for number, key in enumerate(keys) if await answer(known, key)]
    assert found == list(range(1000 - len(found), 1000))
    assert 150 <= len(found) <= 160


async def test_a_limit_of_one() -> None:
    """The smallest limit there is remembers the last."""
    known = Duplicates(SECRET, 600, 1)
    keys = [accept(known, b"%d" % number) for number in range(3)]
    assert [await answer(known, key) for key in keys] == [None, None, Receipt()]


async def test_the_same_receipt_again() -> None:
    """Who was told that a part was refused is told the same again, also by the next process."""
    known = Duplicates(SECRET, 600, 100)
    assert await answer(known, accept(known, b"part", PART)) == PART
    assert await answer(known, accept(known, b"whole")) == Receipt()
    long = Receipt(2**32 - 1, "é" * 5000)
    told = await answer(known, accept(known, b"long", long))
    assert told
    assert told.rejected == long.rejected
    assert long.message.startswith(told.message)
    assert 400 < len(told.message) <= 1024
    assert len(duplicates.identity(Mark(bytes(16)), long)) < 2**16


async def test_a_name_instead_of_the_body() -> None:
    """A body with a name is known by that, accepted or in flight, also to the next process; another body is refused."""
    known = Duplicates(SECRET, 600, 100)
    first, other = (known.mark(Signal.TRACES, "default", body, name="n") for body in (b"first", b"other"))
    assert first.key == other.key
    claim = known.claim(first)
    with pytest.raises(KeyReused):
        known.find(other)
    second = asyncio.ensure_future(answer(known, first))
    claim.accepted(Receipt())
    assert await second == await answer(known, first) == Receipt()
    again = Duplicates(SECRET, 600, 100)
    again.restore(0.0, duplicates.identity(first, Receipt()))
    for each in (known, again):
        assert await answer(each, first) == Receipt()
        with pytest.raises(KeyReused, match="another body was accepted under this Idempotency-Key"):
            each.find(other)


async def test_in_flight() -> None:
    """The second of two at the same time waits for the first, and is answered the same."""
    known, outcome = Duplicates(SECRET, 600, 100), asyncio.get_running_loop().create_future()
    known.claim(MARK).follow(outcome, PART)
    second = asyncio.ensure_future(answer(known, MARK))
    await asyncio.sleep(0.01)
    assert not second.done()
    outcome.set_result(None)
    assert await second == PART
    assert await answer(known, MARK) == PART


async def test_a_refused_body_is_not_remembered() -> None:
    """If the first is refused so is the second at the same time; the third is tried anew."""
    known, outcome = Duplicates(SECRET, 600, 100), asyncio.get_running_loop().create_future()
    known.claim(MARK).follow(outcome, Receipt())
    second = asyncio.ensure_future(answer(known, MARK))
    await asyncio.sleep(0)
    outcome.set_exception(Retryable("full"))
    with pytest.raises(Retryable, match="full"):
        await second
    assert known.find(MARK) is None


async def test_an_empty_body_is_not_remembered() -> None:
    """Those who wait are answered the same; the next one is looked at anew."""
    known = Duplicates(SECRET, 600, 100)
    claim = known.claim(MARK)
    second = asyncio.ensure_future(answer(known, MARK))
    await asyncio.sleep(0)
    claim.empty(Receipt())
    assert await second == Receipt()
    assert known.find(MARK) is None


async def test_the_first_is_given_up() -> None:
    """Where the first never came as far as the journal, the second is asked to come again, and the third is tried."""
    known = Duplicates(SECRET, 600, 100)
    claim = known.claim(MARK)
    second = asyncio.ensure_future(answer(known, MARK))
    await asyncio.sleep(0)
    claim.refused(asyncio.CancelledError())
    with pytest.raises(Retryable, match="given up"):
        await second
    assert known.find(MARK) is None


async def test_who_goes_away_takes_nobody_along() -> None:
    """A second that stops waiting cancels neither the first nor a third."""
    known, outcome = Duplicates(SECRET, 600, 100), asyncio.get_running_loop().create_future()
    known.claim(MARK).follow(outcome, Receipt())
    second, third = (asyncio.ensure_future(answer(known, MARK)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    assert not outcome.cancelled()
    outcome.set_result(None)
    assert await third == Receipt()


async def test_restored(clock: list[float]) -> None:
    """What an earlier process accepted is recognised for the rest of its window; what is older is not."""
    known = Duplicates(SECRET, 160, 100)
    known.restore(170.0, b"o" * 16)
    known.restore(100.0, b"y" * 16)
    known.restore(0.0, b"n" * 16)
    assert known.find(Mark(b"o" * 16)) is None
    assert await answer(known, Mark(b"y" * 16))
    clock[0] += 71
    assert await answer(known, Mark(b"n" * 16))
    clock[0] += 100
    assert known.find(Mark(b"n" * 16)) is None


def test_memory() -> None:
    """The most that are remembered by default take less than 32 MiB."""
    known = Duplicates(SECRET, 600, 200_000)
    tracemalloc.start()
    for _ in range(250_000):
        known.restore(0.0, os.urandom(16))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"{used / known._remembered:.0f} bytes each")
    assert used < 32 << 20


def test_cost() -> None:
    """To recognise a body costs little beside validating it, whatever its size."""
    known: Any = Duplicates(SECRET, 600, 200_000)
    body = os.urandom(1 << 20)
    for number in range(100_000):
        known.restore(0.0, number.to_bytes(16))
    began = time.perf_counter()
    for _ in range(100):
        known.find(known.mark(Signal.TRACES, "default", body))
    each = (time.perf_counter() - began) / 100
    print(f"{each * 1e6:.0f} us a MiB")
    assert each < 0.005
