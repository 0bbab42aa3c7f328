"""A segment on a real disk: written, frozen, full, broken."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from segments import descriptors, encoded, fill, frozen, request

from collector import files
from collector.errors import SegmentDamaged
from collector.journal import frame, repair, segment
from collector.request import Request, Signal


def read(path: Path) -> list[bytes]:
    """Return a frozen segment's frames."""
    return list(map(bytes, segment.read(path)[1]))


def test_freeze(tmp_path: Path) -> None:
    """A frozen segment holds its own name, which says its signal, and every request, in order; nothing is left open."""
    before = descriptors()
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1), request(2)])
    opened.append([request(3)])
    assert (opened.frames, opened.items, opened.size) == (3, 6, opened.path.stat().st_size)
    path = opened.freeze()
    assert descriptors() == before
    assert path == opened.path == tmp_path / f"{opened.name}.ready"
    assert path.stem.endswith("-traces")
    assert list(tmp_path.iterdir()) == [path]
    head, frames = segment.read(path)
    assert bytes(head) == frame.encode_head(opened.name, frame.salt_of(opened.name))
    assert list(map(bytes, frames)) == encoded(opened.name, request(1), request(2), request(3))
    with pytest.raises(OSError, match="Bad file descriptor"):
        opened.append([request(4)])


def test_what_is_urgent_says_so(tmp_path: Path) -> None:
    """A segment of urgent requests is known by its name."""
    opened = segment.Segment(tmp_path, Signal.LOGS, urgent=True)
    opened.append([request(1)])
    assert opened.freeze().stem.endswith("-logs-urgent")


def test_discard(tmp_path: Path) -> None:
    """A segment without a frame can be removed without a trace."""
    before = descriptors()
    segment.Segment(tmp_path, Signal.TRACES).discard()
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == before


def flip(data: bytearray) -> bytearray:
    """Flip one bit in the middle."""
    data[len(data) // 2] ^= 1
    return data


DAMAGE: dict[str, Callable[[bytearray], bytearray]] = {
    "flipped bit": flip,
    "cut short": lambda data: data[:-1],
    "bytes behind the end": lambda data: data + b"\0",
    "head of none": lambda data: data[1:],
    "empty": lambda _: bytearray(),
    "another segment's head": lambda data: data.replace(b"-", b"_", 1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_a_frozen_segment_is_an_error(tmp_path: Path, damage: str) -> None:
    """A frozen segment that does not read back as it was written is noticed: it is never loaded as it is."""
    path = frozen(tmp_path, request(1), request(2), request(3))
    path.write_bytes(DAMAGE[damage](bytearray(path.read_bytes())))
    with pytest.raises(SegmentDamaged):
        segment.read(path)


def test_a_renamed_segment_is_an_error(tmp_path: Path) -> None:
    """The name is the deduplication token: a copy under another name would be stored twice."""
    copy = frozen(tmp_path, request(1)).rename(tmp_path / "01795254808000000000-00000000-traces.ready")
    with pytest.raises(SegmentDamaged, match="calls itself"):
        segment.read(copy)


def test_what_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    """A segment that is gone, or a folder, is no reason to try for ever."""
    (tmp_path / "folder.ready").mkdir()
    for name in ("gone.ready", "folder.ready"):
        with pytest.raises(SegmentDamaged, match="cannot be read"):
            segment.read(tmp_path / name)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The system may write less than it is asked to; still every byte is written, once, in order."""
    real_write, real_writev = os.write, os.writev
    monkeypatch.setattr(os, "writev", lambda fd, pieces: real_writev(fd, [b"".join(pieces)[:step]]))
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:step]))
    path = frozen(tmp_path, request(1), request(2))
    assert read(path) == encoded(path.stem, request(1), request(2))


def test_more_pieces_than_one_write_takes(tmp_path: Path) -> None:
    """A commit of thousands of requests passes the system's limit of buffers in one write."""
    many = [request(number) for number in range(3000)]
    path = frozen(tmp_path, *many)
    assert read(path) == encoded(path.stem, *many)


def test_disk_full(small_disk: Path) -> None:
    """A full disk refuses the append whole; what was acknowledged before is kept, and nothing of what was refused."""
    opened = segment.Segment(small_disk, Signal.TRACES)
    opened.append([request(1)])
    before = opened.size
    with pytest.raises(OSError) as full:  # noqa: PT011 - the number is compared
        opened.append([request(2), request(3, size=100_000), request(4)])
    assert full.value.errno == errno.ENOSPC
    assert (opened.size, opened.frames, opened.items, opened.sound) == (before, 1, 2, False)
    path = opened.freeze()
    assert path.stat().st_size == before
    assert read(path) == encoded(path.stem, request(1))


def test_disk_full_when_a_segment_is_opened(small_disk: Path) -> None:
    """A disk too full for a new segment refuses it and keeps neither a file nor a descriptor of it."""
    fill(small_disk)
    before = descriptors()
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            segment.Segment(small_disk, Signal.TRACES)
    assert descriptors() == before
    assert [each.name for each in small_disk.iterdir()] == ["ballast"]


def fail(*_: Any) -> None:
    """Fail as a broken disk does."""
    raise OSError(errno.EIO, "Input/output error")


def test_after_a_failed_sync_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sync would succeed although the system has dropped what it could not write: the segment ends here."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1)])
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            opened.append([request(2)])
    with pytest.raises(OSError, match="takes no more"):
        opened.append([request(3)])
    path = opened.freeze()
    assert read(path) == encoded(path.stem, request(1))
    assert list(opened.ledger.identities()) == []
    assert opened.ledger.requests == 1


@pytest.mark.parametrize("broken_call", ["ftruncate", "fsync", "rename"])
def test_a_freeze_that_failed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_call: str) -> None:
    """Wherever the disk refuses, freezing again ends as if nothing had been: what was refused does not come back."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1)])
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            opened.append([request(2)])
    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setattr(os, broken_call, fail)
            with pytest.raises(OSError, match="Input/output"):
                opened.freeze()
    path = opened.freeze()
    assert list(tmp_path.iterdir()) == [path]
    assert read(path) == encoded(path.stem, request(1))


def test_what_a_broken_write_left_is_not_read_as_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a frame behind the acknowledged ones, and the process ends: the next start finds those and no more."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1)])
    real = os.writev

    def half(descriptor: int, pieces: list[Any]) -> int:
        real(descriptor, [b"".join(pieces)[:10]])
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "writev", half)
        with pytest.raises(OSError, match="Input/output"):
            opened.append([request(2)])
    os.close(opened._descriptor)
    recovered = repair.recover(opened.path)
    assert recovered
    assert read(recovered[0]) == encoded(opened.name, request(1))


def test_level_os_never_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operating system's word is enough, no file and no folder is ever synced."""
    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(os, "fsync", fail)
    opened = segment.Segment(tmp_path, Signal.TRACES, durable=False)
    opened.append([request(1)])
    assert read(opened.freeze()) == encoded(opened.name, request(1))


def test_the_ledger_says_what_is_in_it(tmp_path: Path) -> None:
    """Requests, items and identities are those of the frames."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    sent = [request(1, identity=b"a" * 16), request(2, items=7), request(3, identity=b"b" * 20)]
    opened.append(sent[:2])
    opened.append(sent[2:])
    assert opened.ledger.content() == (3, 11)
    assert list(opened.ledger.identities()) == [(1, b"a" * 16), (3, b"b" * 20)]
    _, frames = segment.read(opened.freeze())
    assert [frame.read_envelope(each) for each in frames] == [
        (each.received_unix_nano, each.items, each.identity) for each in sent
    ]


def test_what_is_heavy(tmp_path: Path) -> None:
    """What requests weigh unfolded is summed."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([Request(Signal.TRACES, b"a", 1, "t", 1, "", weight=7)] * 3)
    assert opened.weight == 21


def test_write_whole(tmp_path: Path) -> None:
    """A small file is replaced whole, and its temporary file is gone."""
    target = tmp_path / "note"
    files.write_whole(target, b"old")
    files.write_whole(target, b"new", durable=False)
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_what_only_the_owner_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rights are there before the first byte, also where a crash left a temporary file anybody could read."""
    target, seen = tmp_path / "secret", []
    left = tmp_path / "secret.tmp"
    left.touch()
    left.chmod(0o666)
    synced = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (seen.append(stat.S_IMODE(os.fstat(file).st_mode)), synced(file)))
    with left.open("rb") as somebody:
        files.write_whole(target, b"mine", mode=0o600)
        assert somebody.read() == b""
    assert target.read_bytes() == b"mine"
    assert seen[0] == 0o600


def test_write_whole_on_a_full_disk(small_disk: Path) -> None:
    """What finds no place leaves what was there, and nothing of its own."""
    target = small_disk / "note"
    files.write_whole(target, b"old")
    fill(small_disk)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(target, bytes(10_000))
    assert target.read_bytes() == b"old"
    assert sorted(each.name for each in small_disk.iterdir()) == ["ballast", "note"]
