"""The journal's folder: what is found in it at the start, what happens to it at the end."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from segments import encoded, fill, frozen, left_open, request

from collector.journal import frame, names, segment
from collector.journal.ledger import Ledger
from collector.journal.store import Keeping, Store
from collector.request import Request, Signal


def now(number: int, age: float = 0.0) -> Request:
    """Make a request with an identity that came so many seconds ago."""
    received = time.time_ns() - int(age * 1e9)
    return Request(Signal.TRACES, b"%d" % number, 3, "t", received, "", identity=bytes([number]) * 16)


class Memory:
    """What a store hands over to be remembered."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.found: list[tuple[float, bytes]] = []

    def __call__(self, age: float, identity: bytes) -> None:
        """Remember."""
        self.found.append((age, identity))

    def numbers(self) -> list[int]:
        """Return the numbers of the requests."""
        return [identity[0] for _, identity in self.found]


def store(folder: Path, **keeping: Any) -> Store:
    """Make a store."""
    return Store(folder, Keeping(**keeping))


def freeze(opened: Store, *requests: Request) -> Path:
    """Write and freeze a segment by the store."""
    made = opened.create(Signal.TRACES, urgent=False)
    made.append(requests)
    return opened.freeze(made)


def files(folder: Path) -> list[str]:
    """List the endings of the files."""
    return sorted(each.suffix for each in folder.iterdir())


def test_a_frozen_segment_has_its_ledger_beside_it(tmp_path: Path) -> None:
    """A new process learns what waits without reading it: a segment of garbage is counted as the ledger says."""
    path = freeze(store(tmp_path), now(1), now(2))
    assert files(tmp_path) == [".ready", ".seen"]
    size = path.stat().st_size
    path.write_bytes(b"?" * size)
    memory, again = Memory(), store(tmp_path)
    assert again.recover(memory) == [(path, (2, 6))]
    assert memory.numbers() == [1, 2]
    assert again.space.used == size


@pytest.mark.parametrize("ledger", [None, b"", b"seen", b"garbage" * 20])
def test_without_a_ledger_the_segment_is_read(tmp_path: Path, ledger: bytes | None) -> None:
    """A ledger that is missing, cut short or flipped costs time only; the next start has one."""
    path = freeze(store(tmp_path), now(1), now(2))
    beside = path.with_suffix(".seen")
    if ledger is None:
        beside.unlink()
    else:
        beside.write_bytes(ledger)
    memory = Memory()
    assert store(tmp_path).recover(memory) == [(path, (2, 6))]
    assert memory.numbers() == [1, 2]


def test_every_flipped_bit_of_a_ledger_is_noticed(tmp_path: Path) -> None:
    """A ledger is right or none."""
    beside = freeze(store(tmp_path), now(1)).with_suffix(".seen")
    data = beside.read_bytes()
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        beside.write_bytes(damaged)
        assert Ledger.read(beside) is None, f"bit {bit}"


def test_what_an_earlier_process_left(tmp_path: Path) -> None:
    """Open and frozen segments are handed over, all frozen, oldest first; names made now are later than all of them."""
    first = frozen(tmp_path, now(1))
    torn = left_open(tmp_path, now(2), now(3))
    with torn.open("ab") as file:
        file.write(b"\x7a\x7ftorn")
    left_open(tmp_path)
    last = frozen(tmp_path, now(4))
    memory = Memory()
    found = store(tmp_path).recover(memory)
    assert found == [(first, (1, 3)), (torn.with_suffix(".ready"), (2, 6)), (last, (1, 3))]
    assert memory.numbers() == [1, 2, 3, 4]
    assert not list(tmp_path.glob("*.open"))
    again = Memory()
    assert store(tmp_path).recover(again) == found
    assert again.numbers() == [1, 2, 3, 4]
    assert names.make(Signal.TRACES, urgent=False) > last.stem


def test_a_name_from_the_future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment named while the clock was wrong: those that follow are named later still, and loaded after it."""
    monkeypatch.setattr(names, "_clock", names.Clock())
    name = f"{time.time_ns() + 3600 * 10**9:020d}-00c0ffee-traces"
    left = frozen(tmp_path, now(1))
    left.write_bytes(left.read_bytes().replace(left.stem.encode(), name.encode()))
    left.rename(tmp_path / f"{name}.ready")
    opened = store(tmp_path)
    opened.recover(Memory())
    assert freeze(opened, now(2)).stem > name
    assert names.age_seconds(tmp_path / f"{name}.ready") == 0


def test_damage_inside_is_counted_as_the_requests_it_was(tmp_path: Path) -> None:
    """A segment with damage in its middle waits with all its requests, those before and behind it are remembered."""
    path = left_open(tmp_path, *(now(number) for number in (1, 2, 3)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    memory, opened = Memory(), store(tmp_path)
    ((recovered, content),) = opened.recover(memory)
    assert content == (3, 6)
    assert memory.numbers() == [1, 3]
    kept = []
    assert opened.mend(recovered, lambda *piece: kept.append(piece)) == 1
    assert len(kept) == 1
    salt = frame.salt_of(path.stem)
    found = [bytes(each) for each in opened.read(recovered)[1]]
    assert found[1] == frame.empty(salt)
    assert [frame.read_envelope(memoryview(each)).identity[:1] for each in found] == [b"\1", b"", b"\3"]


def test_mending_knows_from_the_ledger_how_many_were_lost(tmp_path: Path) -> None:
    """A hole over several requests: the ledger says how many, so that those behind it keep their numbers."""
    opened = store(tmp_path)
    sent = [request(number) for number in range(1, 7)]
    path = freeze(opened, *sent)
    frames = encoded(path.stem, *sent)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"".join(frames[1:4]), bytes(len(b"".join(frames[1:4])))))
    assert opened.mend(path, lambda *_: None) == 3
    empty = frame.empty(frame.salt_of(path.stem))
    assert [bytes(each) for each in opened.read(path)[1]] == [frames[0], empty, empty, empty, *frames[4:]]


def test_strange_files_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else lies in the folder neither stops the start nor is touched, and is named in the log."""
    path = freeze(store(tmp_path), now(1))
    name = "01795254808000000000-00c0ffee-traces"
    (tmp_path / f"{name}.ready").mkdir()
    (tmp_path / f"{name}.open").symlink_to(path)
    for strange in ("notes.ready", "notes.open", "README", ".hidden", "x.seen", "1-2-traces.ready", "ü.open"):
        (tmp_path / strange).write_bytes(b"do not touch")
    (tmp_path / "folder.open").mkdir()
    before = sorted(each.name for each in tmp_path.iterdir())
    assert [each for each, _ in store(tmp_path).recover(Memory())] == [path]
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    assert "10 files here are not the journal's" in caplog.text


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    """What a crash left of a file that was being written goes."""
    path = freeze(store(tmp_path), now(1))
    (tmp_path / (path.name + ".tmp")).write_bytes(b"half")
    store(tmp_path).recover(Memory())
    assert files(tmp_path) == [".ready", ".seen"]


def test_an_empty_frozen_segment_is_handed_over(tmp_path: Path) -> None:
    """A frozen file of no bytes holds nobody up: it is handed over, to be set aside as what it is."""
    path = tmp_path / "01795254808000000000-00c0ffee-traces.ready"
    path.touch()
    assert store(tmp_path).recover(Memory()) == [(path, (0, 0))]


def test_an_open_segment_nobody_may_read(tmp_path: Path) -> None:
    """One that cannot be read is left for the next start, the others are handed over."""
    hidden, good = left_open(tmp_path, now(1)), left_open(tmp_path, now(2))
    hidden.chmod(0)
    good.chmod(0o644)
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:  # pytest's own, which only root may enter
        parent.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        found = [path for path, _ in store(tmp_path).recover(Memory())]
    finally:
        os.seteuid(user)
    assert hidden.exists()
    assert found == [good.with_suffix(".ready")]


def test_only_the_newest_torn_tails_stay(tmp_path: Path) -> None:
    """What crashes left does not add up for ever."""
    for number in range(15):
        (tmp_path / f"{number:020d}-00c0ffee-traces.torn").write_bytes(b"torn")
    store(tmp_path).recover(Memory())
    assert [each.name[18:20] for each in sorted(tmp_path.iterdir())] == [f"{number:02d}" for number in range(5, 15)]


def test_retired(tmp_path: Path) -> None:
    """A loaded segment is deleted; who was in it is remembered by the next process, and its space is free."""
    opened = store(tmp_path)
    path = freeze(opened, now(1), now(2))
    opened.retire(path)
    assert files(tmp_path) == [".seen"]
    ledger = path.with_suffix(".seen").stat().st_size
    assert opened.space.used == ledger
    memory, again = Memory(), store(tmp_path)
    assert again.recover(memory) == []
    assert memory.numbers() == [1, 2]
    assert all(0 <= age < 60 for age, _ in memory.found)
    assert again.space.used == ledger


def test_the_ledger_is_durable_before_the_segment_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut at any moment leaves the segment or the ledger."""
    opened = store(tmp_path)
    path = freeze(opened, now(1))
    order = []
    real_sync, real_unlink = os.fsync, os.unlink
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), real_sync(fd)))
    monkeypatch.setattr(os, "unlink", lambda name, **_: (order.append(Path(name).suffix), real_unlink(name)))
    opened.retire(path)
    assert order == [".tmp", "sync", "sync", ".ready"]  # what a crash may have left, the ledger, the folder, then it


def test_a_segment_that_was_set_aside_is_retired_too(tmp_path: Path) -> None:
    """What was acknowledged and then moved away is remembered all the same."""
    opened = store(tmp_path / "journal")
    path = freeze(opened, now(1))
    path.rename(tmp_path / path.name)
    opened.retire(path)
    memory = Memory()
    store(tmp_path / "journal").recover(memory)
    assert memory.numbers() == [1]


def test_retiring_on_a_full_disk(small_disk: Path) -> None:
    """Where there is no place for the ledger, the segment makes room for it."""
    folder = small_disk / "journal"
    opened = store(folder)
    path = freeze(opened, now(1), Request(Signal.TRACES, bytes(9000), 1, "t", 1, ""))
    path.with_suffix(".seen").unlink()
    fill(small_disk)
    opened.retire(path)
    assert files(folder) == [".seen"]
    memory = Memory()
    store(folder).recover(memory)
    assert memory.numbers() == [1]


def test_a_full_disk_never_keeps_a_segment(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even that makes room, the segment goes without its ledger: space is what is needed most."""
    opened = store(small_disk / "journal")
    path = freeze(opened, now(1))
    path.with_suffix(".seen").unlink()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("collector.files.write_whole", full)
    opened.retire(path)
    assert files(small_disk / "journal") == []
    assert opened.space.used == 0


def test_without_a_window_nothing_is_kept(tmp_path: Path) -> None:
    """No window, no ledger of what is gone, neither now nor left by another process."""
    opened = store(tmp_path, window=0)
    opened.retire(freeze(opened, now(1)))
    assert files(tmp_path) == []
    other = store(tmp_path)
    other.retire(freeze(other, now(1)))
    memory = Memory()
    store(tmp_path, window=0).recover(memory)
    assert memory.found == []
    assert files(tmp_path) == []


def test_a_segment_without_identities_leaves_nothing(tmp_path: Path) -> None:
    """What cannot be recognised need not be remembered."""
    opened = store(tmp_path)
    opened.retire(freeze(opened, request(1)))
    assert files(tmp_path) == []
    assert opened.space.used == 0


def test_ledgers_go_by_age(tmp_path: Path) -> None:
    """Once the window is over the ledger goes, when the next segment is retired; a new process begins a new window."""
    opened = store(tmp_path, window=0.3)
    first = freeze(opened, now(1))
    opened.retire(first)
    assert first.with_suffix(".seen").exists()
    time.sleep(0.35)
    second = freeze(opened, now(2))
    opened.retire(second)
    assert not first.with_suffix(".seen").exists()
    assert opened.space.used == second.with_suffix(".seen").stat().st_size
    time.sleep(0.35)
    memory = Memory()
    opened = store(tmp_path, window=0.3)
    opened.recover(memory)
    assert memory.numbers() == [2]
    time.sleep(0.35)
    third = freeze(opened, now(3))
    opened.retire(third)
    assert not second.with_suffix(".seen").exists()


def test_ledgers_go_by_number(tmp_path: Path) -> None:
    """There are never more requests in them than asked for: the oldest go first."""
    opened = store(tmp_path, window_requests=5)
    paths = [freeze(opened, now(2 * number), now(2 * number + 1)) for number in range(4)]
    for path in paths:
        opened.retire(path)
    assert [each.stem for each in sorted(tmp_path.iterdir())] == [path.stem for path in paths[2:]]


def test_a_ledger_from_before_the_clock_was_set_back(tmp_path: Path) -> None:
    """Requests from the future are remembered for one whole window from now, not longer and not less."""
    opened = store(tmp_path)
    opened.retire(freeze(opened, now(1, age=-7200)))
    memory = Memory()
    store(tmp_path).recover(memory)
    assert memory.found == [(0.0, bytes([1]) * 16)]


def test_a_rebuilt_window_does_not_ask_the_clock(tmp_path: Path) -> None:
    """What is there is remembered, however old the wall clock says it is: it may have jumped since."""
    frozen(tmp_path, now(1, age=3600), now(2, age=1))
    frozen(tmp_path, now(3, age=3600))
    memory = Memory()
    assert len(store(tmp_path).recover(memory)) == 2
    assert sorted(memory.numbers()) == [1, 2, 3]
    assert {age for age, _ in memory.found} == {0.0}


def test_oldest_first(tmp_path: Path) -> None:
    """Those that were opened first are first, however late they were frozen."""
    opened = [segment.Segment(tmp_path, Signal.TRACES) for _ in range(5)]
    for each in opened:
        each.append([request(1)])
    paths = [each.freeze() for each in reversed(opened)]
    assert [path for path, _ in store(tmp_path).recover(Memory())] == paths[::-1]
