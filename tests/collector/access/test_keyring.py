"""Keys change while the collector runs; a broken file changes nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from collector.access import keyfile
from collector.access.keyring import KeyRing
from collector.errors import StartError


def test_changes_are_noticed_within_a_second(kept: Any, clock: Any) -> None:
    """What is added or revoked counts a second later."""
    assert kept.ring.keys() == {}
    key, _ = kept.add()
    clock.now += 1.0
    assert kept.ring.keys() == {key.id: key}
    keyfile.revoke(kept.path, key.id)
    clock.now += 1.0
    assert kept.ring.keys() == {}
    assert kept.ring.problem == ""


def test_the_disk_is_asked_once_a_second(kept: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand requests in a second look at the file once, and read it only when it changed."""
    looks, reads = [], []
    real_look, real_read = KeyRing._signature, keyfile.read
    monkeypatch.setattr(KeyRing, "_signature", lambda ring: (looks.append(1), real_look(ring))[1])
    monkeypatch.setattr(keyfile, "read", lambda path: (reads.append(path), real_read(path))[1])
    kept.add()
    reads.clear()  # what adding read
    looks.clear()
    for _ in range(3):
        clock.now += 1.0
        for _ in range(1000):
            kept.ring.keys()
    assert len(looks) == 3
    assert len(reads) == 1


@pytest.mark.parametrize("broken", [b"{", b"", b"\xff\xfe", b'{"version": 1, "keys": 3}'])
def test_a_broken_file_changes_nothing(kept: Any, clock: Any, caplog: pytest.LogCaptureFixture, broken: bytes) -> None:
    """While the file does not read, the last keys that did hold; it is said once, and until it reads again."""
    key, _ = kept.add()
    clock.now += 1.0
    assert kept.ring.keys()
    good = kept.path.read_bytes()
    kept.path.write_bytes(broken)
    for _ in range(5):
        clock.now += 1.0
        assert kept.ring.keys() == {key.id: key}
        assert "does not read" in kept.ring.problem
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    kept.path.write_bytes(good)
    clock.now += 1.0
    assert kept.ring.keys() == {key.id: key}
    assert kept.ring.problem == ""


def test_a_file_that_vanishes_changes_nothing(kept: Any, clock: Any) -> None:
    """A file that is gone is a fault, not the wish to let everybody in; when it is back, it counts."""
    key, _ = kept.add()
    clock.now += 1.0
    kept.ring.keys()
    away = kept.path.rename(kept.path.with_suffix(".away"))
    clock.now += 1.0
    assert kept.ring.keys() == {key.id: key}
    assert "is gone" in kept.ring.problem
    away.rename(kept.path)
    clock.now += 1.0
    assert kept.ring.keys() == {key.id: key}
    assert kept.ring.problem == ""


def test_the_same_size_in_the_same_tick_is_noticed(kept: Any, clock: Any) -> None:
    """A file replaced by one of equal size and time is another file all the same."""
    key, _ = kept.add()
    clock.now += 1.0
    kept.ring.keys()
    status = kept.path.stat()
    other = kept.path.with_suffix(".new")
    other.write_bytes(kept.path.read_bytes().replace(key.id.encode(), b"00000000"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(kept.path)
    clock.now += 1.0
    assert list(kept.ring.keys()) == ["00000000"]


def test_a_broken_file_at_the_start(tmp_path: Path) -> None:
    """With a key file that does not read nobody can tell who may: the collector does not start."""
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(StartError, match="does not read"):
        KeyRing(tmp_path / "keys.json")
