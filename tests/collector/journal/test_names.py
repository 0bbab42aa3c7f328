"""Names sort by age and never repeat, whatever the wall clock does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collector.journal import names
from collector.request import Signal

YEAR = 365 * 86_400


def test_a_name() -> None:
    """A name says when, which signal and whether it is urgent, and is a name."""
    before = time.time_ns()
    for signal in Signal:
        for urgent in (False, True):
            made = names.make(signal, urgent=urgent)
            birth, _, *rest = made.split("-")
            assert rest == [signal.name.lower(), "urgent"] if urgent else [signal.name.lower()]
            assert names.is_name(made)
            assert abs(int(birth) - before) < 60e9


def test_names_sort_as_they_were_made() -> None:
    """A thousand in one moment are in order and all different."""
    made = [names.make(Signal.TRACES, urgent=False) for _ in range(1000)]
    assert sorted(set(made)) == made


@pytest.mark.parametrize("jump", [-10 * YEAR, -3600, 3600, 10 * YEAR])
def test_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    """A wall clock that is set, back or forth, changes neither the order of names nor ages."""
    first = names.make(Signal.TRACES, urgent=False)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + jump * 10**9)
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 + jump)
    assert names.make(Signal.TRACES, urgent=False) > first
    assert 0 <= names.age_seconds(Path(first + ".ready")) < 60


def test_a_start_at_an_earlier_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts with its clock behind names its segments later than those it finds."""
    real = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: real - 3600 * 10**9)
    clock = names.Clock()
    clock.saw(real)
    assert real < clock.next() < clock.next()
    assert clock.age_seconds(real) == 0


def test_births_no_clock_ever_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name from the year 5138 does not drag those that follow along; ages stay within bounds."""
    monkeypatch.setattr(names, "_clock", names.Clock())
    names.saw("99999999999999999999-00000000-traces")
    assert names.make(Signal.TRACES, urgent=False) < "03"
    for birth, age in (("99999999999999999999", 0), ("00000000000000000000", 10 * YEAR)):
        assert names.age_seconds(Path(f"{birth}-00000000-traces.ready")) == age


@pytest.mark.parametrize(
    "text",
    [
        *("", "notes", "traces", "01795254808000000000", "01795254808000000000-00c0ffee", "1-00c0ffee-traces"),
        *("01795254808000000000-00c0ffee-profiles", "01795254808000000000-00C0FFEE-traces"),
        *("01795254808000000000-00c0ffee-traces-late", "x01795254808000000000-00c0ffee-traces"),
        "01795254808000000000-00c0ffee-traces\n",
    ],
)
def test_what_is_no_name(text: str) -> None:
    """Anything else is no segment's name, nor does a file called so belong to one."""
    assert not names.is_name(text)
    assert not names.is_related(text + ".ready")


def test_what_belongs_to_a_segment() -> None:
    """What begins with a name and a full stop does, whatever follows."""
    for name in ("01795254808000000000-00c0ffee-traces", "01795254808000000000-00c0ffee-logs-urgent"):
        assert names.is_related(name + ".ready")
        assert names.is_related(name + ".000001")
        assert not names.is_related(name)
        assert not names.is_related(name + "s.ready")
