"""A segment on a real disk: frozen, torn, damaged, cut short, full."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector import files
from collector.errors import SegmentDamaged
from collector.journal import frame, segment
from collector.request import Request, Signal


def request(number: int, size: int = 20) -> Request:
    """Make a request that can be told from others."""
    return Request(Signal.TRACES, bytes([number]) * size, 2, f"tenant {number}", number, "peer")


def encoded(*numbers: int) -> list[bytes]:
    """Return the frames of these requests."""
    return [b"".join(frame.encode(request(number))) for number in numbers]


def left_open(folder: Path, *numbers: int) -> Path:
    """Write a segment as a process leaves it that is killed."""
    opened = segment.Segment(folder, Signal.TRACES)
    opened.append([request(number) for number in numbers])
    os.close(opened._descriptor)
    return opened.path


def test_freeze(tmp_path: Path) -> None:
    """A frozen segment holds its own name, which says its signal, and every request, in order; nothing is left open."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1), request(2)])
    opened.append([request(3)])
    assert (opened.frames, opened.items, opened.size) == (3, 6, opened.path.stat().st_size)
    path = opened.freeze()
    assert path == tmp_path / f"{opened.name}.ready"
    assert path.stem.endswith("-traces")
    assert list(tmp_path.iterdir()) == [path]
    head, frames = segment.read(path)
    assert bytes(head) == frame.encode_head(opened.name)
    assert list(map(bytes, frames)) == encoded(1, 2, 3)
    assert segment.count(path) == 3
    with pytest.raises(OSError, match="Bad file descriptor"):
        opened.append([request(4)])


def test_discard(tmp_path: Path) -> None:
    """A segment without a frame can be removed without a trace."""
    segment.Segment(tmp_path, Signal.TRACES).discard()
    assert list(tmp_path.iterdir()) == []


def test_names_sort_by_age(tmp_path: Path) -> None:
    """Names sort as the segments were opened, also with many in one moment, and say their age."""
    opened = [segment.Segment(tmp_path, Signal.TRACES) for _ in range(50)]
    for each in opened:
        each.append([request(1)])
    paths = [each.freeze() for each in reversed(opened)]
    assert segment.oldest_first(tmp_path) == paths[::-1]
    assert 0 <= segment.age_seconds(paths[0]) < 60
    old = tmp_path / f"{time.time_ns() - 90 * 10**9:020d}-00000000.ready"
    assert segment.age_seconds(old) == pytest.approx(90, abs=30)


@pytest.mark.parametrize("kept", range(4))
def test_torn_tail_at_every_byte(tmp_path: Path, kept: int) -> None:
    """Cut at any byte, exactly the whole frames before the cut are recovered and the tail is kept as `.torn`."""
    path = left_open(tmp_path, *range(3))
    whole, name = path.read_bytes(), path.stem
    ends = [len(frame.encode_head(name))]
    for each in encoded(*range(3)):
        ends.append(ends[-1] + len(each))
    for length in range(ends[kept], (ends[kept + 1] if kept < 3 else ends[kept] + 1)):
        path.write_bytes(whole[:length])
        frozen, torn = segment.recover(path), path.with_suffix(".torn")
        assert not path.exists()
        assert torn.exists() == (length > ends[kept])
        if torn.exists():
            assert torn.read_bytes() == whole[ends[kept] : length]
            torn.unlink()
        if kept == 0:
            assert frozen is None
            continue
        assert frozen is not None
        assert list(map(bytes, segment.read(frozen)[1])) == encoded(*range(kept))
        frozen.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zeros", [1, 511, 4096, 70_000])
def test_zero_filled_tail(tmp_path: Path, zeros: int) -> None:
    """Blocks the disk had reserved but never wrote read as zeros; they are cut off like any torn tail."""
    path = left_open(tmp_path, 1, 2)
    with path.open("ab") as file:
        file.write(bytes(zeros))
    frozen = segment.recover(path)
    assert frozen is not None
    assert list(map(bytes, segment.read(frozen)[1])) == encoded(1, 2)
    assert frozen.with_suffix(".torn").read_bytes() == bytes(zeros)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\x0a", b"\x0a\x1d0179"])
def test_a_segment_that_never_got_its_head_is_removed(tmp_path: Path, content: bytes) -> None:
    """A crash before the first sync leaves nothing that was acknowledged, and nothing to keep."""
    path = tmp_path / "01795254808000000000-00c0ffee-traces.open"
    path.write_bytes(content)
    assert segment.recover(path) is None
    assert list(tmp_path.iterdir()) == []


def test_recovering_twice_is_recovering_once(tmp_path: Path) -> None:
    """A crash in the middle of recovering leaves a file that recovers to the same."""
    path = left_open(tmp_path, 1, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\x7atorn")
    path.with_suffix(".torn").write_bytes(b"\x7ato")  # the earlier try got this far
    frozen = segment.recover(path)
    assert frozen is not None
    assert frozen.read_bytes() == whole
    assert frozen.with_suffix(".torn").read_bytes() == b"\x7atorn"


@pytest.mark.parametrize("at", [0, 2, 40])
def test_damage_in_an_open_segment_never_loses_the_frames_behind_its_head(tmp_path: Path, at: int) -> None:
    """A flipped bit in the head or in a frame of an open segment: what was acknowledged is kept somewhere."""
    path = left_open(tmp_path, 1, 2)
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0x80
    path.write_bytes(damaged)
    segment.recover(path)
    kept = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert encoded(2)[0] in kept


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
    """A frozen segment that does not read back as it was written is refused whole: it is loaded never or rightly."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1), request(2), request(3)])
    path = opened.freeze()
    path.write_bytes(DAMAGE[damage](bytearray(path.read_bytes())))
    with pytest.raises(SegmentDamaged):
        segment.read(path)
    assert 0 <= segment.count(path) <= 3


def test_a_renamed_segment_is_an_error(tmp_path: Path) -> None:
    """The name is the deduplication token: a copy under another name would be stored twice."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1)])
    copy = opened.freeze().rename(tmp_path / "01795254808000000000-00000000-traces.ready")
    with pytest.raises(SegmentDamaged, match="calls itself"):
        segment.read(copy)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The system may write less than it is asked to; still every byte is written, once, in order."""
    real_write, real_writev = os.write, os.writev
    monkeypatch.setattr(os, "writev", lambda fd, pieces: real_writev(fd, [b"".join(pieces)[:step]]))
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:step]))
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1), request(2)])
    assert opened.size == opened.path.stat().st_size
    assert list(map(bytes, segment.read(opened.freeze())[1])) == encoded(1, 2)


def test_more_pieces_than_one_write_takes(tmp_path: Path) -> None:
    """A commit of thousands of requests passes the system's limit of buffers in one write."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(number % 256) for number in range(3000)])
    assert list(map(bytes, segment.read(opened.freeze())[1])) == encoded(*(number % 256 for number in range(3000)))


def fill(disk: Path) -> None:
    """Leave no space on a disk."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def descriptors() -> int:
    """Count the open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_disk_full(small_disk: Path) -> None:
    """A full disk refuses the append whole, the file ends behind the last good frame, and later appends work."""
    opened = segment.Segment(small_disk, Signal.TRACES)
    opened.append([request(1)])
    before = opened.size
    with pytest.raises(OSError) as full:  # noqa: PT011 - the number is compared
        opened.append([request(2), request(3, size=100_000), request(4)])
    assert full.value.errno == errno.ENOSPC
    assert (opened.size, opened.path.stat().st_size, opened.frames, opened.items) == (before, before, 1, 2)
    opened.append([request(5)])
    assert list(map(bytes, segment.read(opened.freeze())[1])) == encoded(1, 5)


def test_disk_full_when_a_segment_is_opened(small_disk: Path) -> None:
    """A disk too full for a new segment refuses it and keeps neither a file nor a descriptor of it."""
    fill(small_disk)
    before = descriptors()
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            segment.Segment(small_disk, Signal.TRACES)
    assert descriptors() == before
    assert [each.name for each in small_disk.iterdir()] == ["ballast"]


def test_an_error_of_the_sync_takes_the_frames_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk does not confirm, the frames are taken back: a refused request must not be stored later."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1)])

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            opened.append([request(2)])
    opened.append([request(3)])
    assert list(map(bytes, segment.read(opened.freeze())[1])) == encoded(1, 3)


def test_nothing_is_acknowledged_behind_garbage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When not even the cut works, no later append may report success: its frame would not be found again."""
    opened = segment.Segment(tmp_path, Signal.TRACES)
    opened.append([request(1)])
    real = os.writev

    def half(descriptor: int, pieces: list[Any]) -> int:
        real(descriptor, [b"".join(pieces)[:10]])
        raise OSError(errno.EIO, "Input/output error")

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "writev", half)
        broken.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="Input/output"):
            opened.append([request(2)])
    try:
        opened.append([request(3)])
    except (OSError, ValueError):
        acknowledged = encoded(1)
    else:
        acknowledged = encoded(1, 3)
    with contextlib.suppress(OSError):
        os.close(opened._descriptor)
    frozen = segment.recover(opened.path)
    assert frozen is not None
    assert list(map(bytes, segment.read(frozen)[1])) == acknowledged


def test_write_whole(tmp_path: Path) -> None:
    """A small file is replaced whole, and its temporary file is gone."""
    target = tmp_path / "note"
    files.write_whole(target, b"old")
    files.write_whole(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]
