"""Who is loaded next."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from collector.load.line import Entry, Line


def entry(number: int, kind: str = "traces", *, letter: bool = False) -> Entry:
    """Make one that was born at `number`."""
    return Entry(Path(f"/journal/{number:020d}-1a2b3c4d-{kind}.ready"), 1, letter=letter)


def taken(line: Line, count: int) -> list[str]:
    """Take so many, each of which passes; say when they were born and what they are."""
    names = []
    for _ in range(count):
        found = line.take(0)
        assert found
        line.passed(found)
        birth, _, rest = found.name.partition("-1a2b3c4d-")
        names.append(f"{int(birth)} {rest}")
    return names


def joined(*entries: Entry) -> Line:
    """Make a line of these."""
    line = Line()
    for each in entries:
        line.join(each)
    return line


def test_signals_take_turns() -> None:
    """A long line of one signal holds up no other; each keeps its order; dead letters are one more."""
    line = joined(*(entry(n) for n in range(4)), entry(9, "logs"), entry(8, "metrics"), entry(1, "logs", letter=True))
    assert taken(line, 7) == ["0 traces", "9 logs", "8 metrics", "1 logs", "1 traces", "2 traces", "3 traces"]
    assert line.take(0) is None


def test_urgent_ones_first() -> None:
    """Urgent segments come before all others, the newest first; an urgent one's signal is still its signal."""
    urgent = [entry(5, "traces-urgent"), entry(7, "logs-urgent"), entry(6, "traces-urgent")]
    line = joined(entry(1), entry(2, "logs"), *urgent)
    assert [each.signal for each in urgent] == ["traces", "logs", "traces"]
    assert taken(line, 5) == ["7 logs-urgent", "6 traces-urgent", "5 traces-urgent", "1 traces", "2 logs"]


def test_nobody_waits_twice() -> None:
    """The same file is in the line once."""
    line = joined(entry(1), entry(1))
    assert len(line.entries()) == 1
    assert taken(line, 1) == ["1 traces"]
    assert line.take(0) is None


def test_in_doubt_before_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier process may have sent goes first, an urgent new one excepted."""
    line = joined(entry(1), entry(2), entry(3, "logs"), entry(4, "traces-urgent"))
    line.doubt({entry(2).name})
    assert taken(line, 4) == ["4 traces-urgent", "2 traces", "1 traces", "3 logs"]
    monkeypatch.setattr("collector.load.line._SURE", -1.0)
    tried = entry(5)
    assert not tried.in_doubt
    tried.tries, tried.first_try = 1, time.monotonic()
    assert tried.in_doubt


def test_one_in_trouble_waits_alone() -> None:
    """One that fails is tried again after a while; the others go on, and the trouble can be read meanwhile."""
    line = joined(entry(1), entry(2), entry(3))
    first = line.take(0)
    assert first
    line.failed(first, "not now")
    assert line.trouble() == "not now"
    assert taken(line, 2) == ["2 traces", "3 traces"]
    assert line.take(0) is None
    assert [each.name for each in line.entries()] == [first.name]
    began = time.monotonic()
    assert line.take(5) is first
    assert 0.01 < time.monotonic() - began < 2
    line.passed(first)
    assert line.trouble() == ""


def test_pauses_grow_and_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses double up to half a minute, and none is quite the same."""
    monkeypatch.setattr("collector.load.line._LONGEST_PAUSE", 30.0)
    line, one = joined(entry(1)), entry(1)
    for tries in range(12):
        longest = min(30, 0.1 * 2**tries)
        now = time.monotonic()
        line.failed(one, "not now")
        assert longest / 2 <= one.not_before - now < longest + 1
    pauses = set()
    for _ in range(5):
        now = time.monotonic()
        line.failed(one, "not now")
        pauses.add(round(one.not_before - now, 2))
    assert len(pauses) > 1


def test_when_all_fail_no_third_is_tried() -> None:
    """Two different ones failed in a row: only these are tried, not even an urgent one, until one of them passes."""
    line = joined(entry(1), entry(2), entry(3), entry(4, "logs-urgent"))
    tried = set()
    for _ in range(6):
        found = line.take(5)
        assert found
        tried.add(found.name)
        line.failed(found, "no answer")
    assert tried == {entry(4, "logs-urgent").name, entry(1).name}
    found = line.take(5)
    assert found
    line.passed(found)
    rest = {each.name for each in line.entries()}
    assert len(rest) == 3
    for _ in range(3):
        found = line.take(5)
        assert found
        line.passed(found)
    assert line.entries() == []


def test_it_ends_when_drained() -> None:
    """Asked to end, it still lets everybody through, dead letters excepted, and then wakes who waits for the next."""
    line = joined(entry(1), entry(2, letter=True))
    line.drain()
    assert not line.ended
    found = line.take(0)
    assert found
    line.passed(found)
    assert line.ended
    line = Line()
    threading.Timer(0.1, line.drain).start()
    began = time.monotonic()
    assert line.take(20) is None
    assert time.monotonic() - began < 10


def test_it_ends_when_closed() -> None:
    """Closed, it lets nobody through, and wakes who rests."""
    line = joined(entry(1))
    threading.Timer(0.1, line.close).start()
    began = time.monotonic()
    line.rest(20)
    assert time.monotonic() - began < 10
    assert line.take(0) is None
    assert line.ended
    assert len(line.entries()) == 1
