"""What a crash left open and what the disk has damaged becomes loadable: nothing intact is lost, nothing is doubled."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segments import encoded, frozen, left_open, request

from collector.errors import SegmentDamaged
from collector.journal import frame, repair, segment
from collector.request import Signal

SENT = [request(number, size=5 + 10 * number, identity=bytes([number]) * 16) for number in range(1, 5)]


def read(path: Path) -> list[bytes]:
    """Return a frozen segment's frames."""
    return list(map(bytes, segment.read(path)[1]))


def ends(path: Path) -> list[int]:
    """Return where the head of the segment of SENT ends, and each of its frames."""
    name = path.stem
    found = [len(frame.encode_head(name, 1))]
    for each in encoded(name, *SENT):
        found.append(found[-1] + len(each))
    return found


class Kept:
    """What was set aside."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.pieces: dict[int, bytes] = {}
        self.reasons: list[str] = []

    def __call__(self, offset: int, data: bytes, reason: str) -> None:
        """Keep it."""
        self.pieces[offset] = data
        self.reasons.append(reason)


@pytest.mark.parametrize("kept", range(4))
def test_torn_tail_at_every_byte(tmp_path: Path, kept: int) -> None:
    """Cut at any byte, exactly the whole frames before the cut are recovered and the tail is kept as `.torn`."""
    path = left_open(tmp_path, *SENT[:3])
    whole, limits = path.read_bytes(), ends(path)
    for length in range(limits[kept], (limits[kept + 1] if kept < 3 else limits[kept] + 1)):
        path.write_bytes(whole[:length])
        recovered, torn = repair.recover(path), path.with_suffix(".torn")
        assert not path.exists()
        assert torn.exists() == (length > limits[kept])
        if torn.exists():
            assert torn.read_bytes() == whole[limits[kept] : length]
            torn.unlink()
        if kept == 0:
            assert recovered is None
            continue
        assert recovered
        assert read(recovered[0]) == encoded(path.stem, *SENT[:kept])
        assert recovered[1].content() == (kept, 2 * kept)
        assert [identity for _, identity in recovered[1].identities()] == [each.identity for each in SENT[:kept]]
        recovered[0].unlink()
    assert list(tmp_path.iterdir()) == []


def test_the_log_says_how_much_is_torn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A torn tail is no mystery: its length is in the log."""
    path = left_open(tmp_path, *SENT)
    with path.open("ab") as file:
        file.write(bytes(123))
    repair.recover(path)
    assert "123 bytes at its end are torn" in caplog.text


@pytest.mark.parametrize("zeros", [1, 511, 4096, 70_000])
def test_zero_filled_tail(tmp_path: Path, zeros: int) -> None:
    """Blocks the disk had reserved but never wrote read as zeros; they are cut off like any torn tail."""
    path = left_open(tmp_path, *SENT)
    with path.open("ab") as file:
        file.write(bytes(zeros))
    recovered = repair.recover(path)
    assert recovered
    assert read(recovered[0]) == encoded(path.stem, *SENT)
    assert path.with_suffix(".torn").read_bytes() == bytes(zeros)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\x0a", b"\x0a\x1d0179"])
def test_a_segment_that_never_got_its_head_is_removed(tmp_path: Path, content: bytes) -> None:
    """A crash before the first sync leaves nothing that was acknowledged, and nothing to keep."""
    path = tmp_path / "01795254808000000000-00c0ffee-traces.open"
    path.write_bytes(content)
    assert repair.recover(path) is None
    assert list(tmp_path.iterdir()) == []


def test_recovering_twice_is_recovering_once(tmp_path: Path) -> None:
    """A crash in the middle of recovering leaves a file that recovers to the same."""
    path = left_open(tmp_path, *SENT)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\x7atorn")
    path.with_suffix(".torn").write_bytes(b"\x7ato")  # the earlier try got this far
    recovered = repair.recover(path)
    assert recovered
    assert recovered[0].read_bytes() == whole
    assert recovered[0].with_suffix(".torn").read_bytes() == b"\x7atorn"


@pytest.mark.parametrize("before", [b"", b"junk", b"\0" * 500])
@pytest.mark.parametrize("after", [b"", b"junk", "a frame nobody was answered for"])
def test_old_blocks_of_the_same_file_are_torn(tmp_path: Path, before: bytes, after: bytes | str) -> None:
    """A power cut may leave blocks that hold frames a second time: these are part of the torn tail."""
    path = left_open(tmp_path, *SENT)
    whole, limits = path.read_bytes(), ends(path)
    if isinstance(after, str):
        after = encoded(path.stem, request(9, size=50))[0]
    torn = before + whole[limits[1] : limits[3]] + after
    path.write_bytes(whole + torn)
    recovered = repair.recover(path)
    assert recovered
    assert recovered[0].read_bytes() == whole
    assert recovered[1].requests == len(SENT)
    assert recovered[0].with_suffix(".torn").read_bytes() == torn


def test_an_open_copy_of_another_segment_is_left_out(tmp_path: Path) -> None:
    """Somebody's copy would be stored twice; it is kept, not loaded."""
    path = left_open(tmp_path, *SENT)
    copy = tmp_path / "01795254808000000000-00c0ffee-traces.open"
    copy.write_bytes(path.read_bytes())
    assert repair.recover(copy) is None
    assert copy.with_suffix(".torn").read_bytes() == path.read_bytes()


def test_the_first_format_is_recovered_and_mended(tmp_path: Path) -> None:
    """Segments of the first version go the same way, damaged or not."""
    name = "01795254808000000000-00c0ffee-traces"
    path = tmp_path / (name + ".open")
    frames = [b"".join(frame.encode(each, 0)) for each in SENT]
    data = bytearray(frame.encode_head(name, 0) + b"".join(frames))
    data[len(frame.encode_head(name, 0)) + 30] ^= 1
    path.write_bytes(data + b"torn")
    recovered = repair.recover(path)
    assert recovered
    kept = Kept()
    assert repair.mend(recovered[0], 4, kept) == 1
    assert read(recovered[0]) == [frame.empty(0), *frames[1:]]
    recovered[0].write_bytes(b"\0" * 10 + bytes(data[10:]))
    assert repair.mend(recovered[0], 4, Kept()) == 1
    assert read(recovered[0]) == [frame.empty(0), *frames[1:]]


@pytest.mark.parametrize("number", range(4))
def test_a_flipped_bit_costs_its_request_only(tmp_path: Path, number: int) -> None:
    """Wherever in a frame a bit flips, that frame is set aside as it is, an empty one stands in its place."""
    path = frozen(tmp_path, *SENT)
    whole, limits, frames = path.read_bytes(), ends(path), encoded(path.stem, *SENT)
    frames[number] = frame.empty(frame.salt_of(path.stem))
    for at in range(limits[number], limits[number + 1], 5):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(SegmentDamaged):
            segment.read(path)
        kept = Kept()
        assert repair.mend(path, 4, kept) == 1
        assert kept.pieces == {limits[number]: bytes(damaged[limits[number] : limits[number + 1]])}
        assert f"from byte {limits[number]} to {limits[number + 1]}" in kept.reasons[0]
        assert read(path) == frames


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_hole_costs_what_it_touches(tmp_path: Path, data: st.DataObject) -> None:
    """A hole anywhere, the head included: intact frames stay, at their numbers, and the rest of the bytes is kept."""
    path = frozen(tmp_path, *SENT)
    whole, limits = bytearray(path.read_bytes()), ends(path)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    original = bytes(whole)
    whole[start:end] = bytes(end - start)
    path.write_bytes(whole)
    intact = [whole[a:b] == original[a:b] for a, b in pairwise(limits)]
    kept = Kept()
    if not any(intact):
        with pytest.raises(SegmentDamaged):
            repair.mend(path, 4, kept)
        assert path.read_bytes() == whole
        assert kept.pieces == {}
    else:
        lost = repair.mend(path, 4, kept)
        assert lost == intact.count(False)
        expected = [
            each if good else frame.empty(frame.salt_of(path.stem))
            for each, good in zip(encoded(path.stem, *SENT), intact, strict=True)
        ]
        assert read(path) == expected
        for offset, piece in kept.pieces.items():
            assert whole[offset : offset + len(piece)] == piece
        touched = sum(b - a for (a, b), good in zip(pairwise(limits), intact, strict=True) if not good)
        assert sum(map(len, kept.pieces.values())) == touched
    path.unlink()


HEADS: dict[str, Callable[[bytes], bytes]] = {
    "one character of the name": lambda head: head[:10] + bytes([head[10] ^ 1]) + head[11:],
    "the tag": lambda head: b"\x0b" + head[1:],
    "the length": lambda head: head[:1] + b"\xff" + head[2:],
    "the format": lambda head: head[:-1] + b"\x03",
    "zeros": lambda head: bytes(len(head)),
}


@pytest.mark.parametrize("damage", HEADS)
@pytest.mark.parametrize("suffix", [".ready", ".open"])
def test_a_damaged_head_costs_nothing(tmp_path: Path, damage: str, suffix: str) -> None:
    """What a segment must begin with is known from its name: no request is lost with its head."""
    path = frozen(tmp_path, *SENT) if suffix == ".ready" else left_open(tmp_path, *SENT)
    data, end = path.read_bytes(), ends(path)[0]
    path.write_bytes(HEADS[damage](data[:end]) + data[end:])
    if suffix == ".open":
        recovered = repair.recover(path)
        assert recovered
        path = recovered[0]
        assert recovered[1].content() == (4, 8)
    with pytest.raises(SegmentDamaged):
        segment.read(path)
    assert repair.mend(path, 4, Kept()) == 0
    assert path.read_bytes() == data


def test_nothing_is_changed_before_it_is_kept(tmp_path: Path) -> None:
    """Where what is damaged cannot be kept, the segment stays as it is, to be tried again."""
    path = frozen(tmp_path, *SENT)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        repair.mend(path, 4, full)
    assert path.read_bytes() == damaged
    assert list(tmp_path.iterdir()) == [path]


def test_mending_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mended segment is on the disk before it can be inserted: its token never comes with other rows again."""
    path = frozen(tmp_path, *SENT)
    path.write_bytes(flipped(path.read_bytes()))
    order = []
    real_sync, real_rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), real_sync(fd)))
    monkeypatch.setattr(os, "rename", lambda *names: (order.append("rename"), real_rename(*names)))
    repair.mend(path, 4, Kept())
    assert order == ["sync", "rename", "sync"]


def flipped(data: bytes) -> bytes:
    """Flip the last bit."""
    return data[:-1] + bytes([data[-1] ^ 1])


def test_a_copy_of_another_segment_is_not_mended(tmp_path: Path) -> None:
    """A frozen segment that says it is another one stays damaged, however well its frames read."""
    copy = frozen(tmp_path, *SENT).rename(
        tmp_path / f"01795254808000000000-00000000-{Signal.TRACES.name.lower()}.ready"
    )
    with pytest.raises(SegmentDamaged, match="calls itself"):
        repair.mend(copy, 4, Kept())


def test_survey(tmp_path: Path) -> None:
    """A segment without a ledger is read for one; a damaged frame counts as the request it was."""
    path = frozen(tmp_path, *SENT)
    whole, limits = bytearray(path.read_bytes()), ends(path)
    assert repair.survey(path).content() == (4, 8)
    whole[limits[1] + 20] ^= 1
    path.write_bytes(whole)
    found = repair.survey(path)
    assert found.content() == (4, 6)
    assert [identity for _, identity in found.identities()] == [SENT[n].identity for n in (0, 2, 3)]
    path.write_bytes(b"")
    assert repair.survey(path).content() == (0, 0)
    path.unlink()
    assert repair.survey(path).content() == (0, 0)
