"""How much more may be written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from segments import fill

from collector.journal.space import Space


def test_below_the_limit(tmp_path: Path) -> None:
    """There is room up to the last byte of the limit, what is being written included."""
    space = Space(tmp_path, limit=1000, reserve=0)
    space.add(900)
    assert space.shortage(99, 10**12) is None
    short = space.shortage(100, 1)
    assert short
    assert "1000 bytes wait for ClickHouse" in short.message
    assert "--journal-max-bytes" in short.hint


def test_once_full_it_waits_for_some_room(tmp_path: Path) -> None:
    """It does not flap: full at the limit, it has room again 5 % below."""
    space = Space(tmp_path, limit=1000, reserve=0)
    space.add(1000)
    assert space.shortage(0, 1)
    space.free(40)
    assert space.shortage(0, 1)
    space.free(11)
    assert space.shortage(0, 1) is None
    space.add(40)
    assert space.shortage(0, 1) is None


def test_the_message_says_since_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long ClickHouse has taken nothing is the first thing to know."""
    space = Space(tmp_path, limit=10, reserve=0)
    space.add(20)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600)
    short = space.shortage(0, 1)
    assert short
    assert "nothing for 3600 s" in short.message


def test_the_reserve(small_disk: Path) -> None:
    """What the disk has beyond the reserve may be written, on a real disk; once scarce, it takes 5 % more to go on."""
    disk = os.statvfs(small_disk)
    free = disk.f_bavail * disk.f_frsize
    space = Space(small_disk, limit=10**12, reserve=20_000)
    assert space.shortage(0, free - 20_000) is None
    short = space.shortage(0, free - 19_999)
    assert short
    assert f"has {free} bytes left, of which 20000 are kept free" in short.message
    assert "--disk-reserve-bytes" in short.hint
    assert space.shortage(0, free - 20_000)
    assert space.shortage(0, free - 22_000) is None


def test_no_reserve(small_disk: Path) -> None:
    """A reserve of 0 asks nobody: the disk itself will say when it is full."""
    fill(small_disk)
    assert Space(small_disk, limit=10**12, reserve=0).shortage(0, 10**9) is None
