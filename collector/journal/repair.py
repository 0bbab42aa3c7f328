"""A segment that a crash left open, or that the disk has damaged, becomes one that can be loaded.

Two things look alike and are not. A *torn tail* is what a crash leaves behind the last intact frame of an open
segment: it was never acknowledged, it is cut off and kept as `.torn` for whoever wants to look. *Damage* has intact
frames behind it, or is found in a frozen segment: it was acknowledged. It is set aside with its reason, an empty frame
takes its place, and all frames before and behind it are loaded. (Damage in the very last frame of an open segment looks
like a torn tail; its bytes are in the `.torn` file.)

A mended segment keeps its name, and so its deduplication token, whether or not the original was inserted before:

- never inserted: the token is new to ClickHouse, and all that is left is stored;
- inserted whole: ClickHouse has every row, the damaged request's included, and drops the mended segment, as it should;
- inserted in part, some partitions or tables of it: those drop it, the others take what is left.

A new name would be wrong in the last two cases, as it would store twice what ClickHouse has. The same token must never
come with more rows than before, and it cannot: the mended file replaces the original, durably, before it is inserted.
Each damaged request leaves an empty frame, so those behind it keep their numbers, by which they are known where a
segment's requests are inserted singly.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from collector import files
from collector.errors import SegmentDamaged
from collector.journal import frame, names
from collector.journal.frame import Head, Piece
from collector.journal.ledger import Ledger
from collector.journal.names import READY
from collector.journal.segment import load

log = logging.getLogger(__name__)

TORN = ".torn"
_SAME = 2  # characters in which a damaged name may differ from the right one; two names of segments differ in more

Keep = Callable[[int, bytes, str], None]  # sets damaged bytes aside: their offset, themselves, what is wrong with them


def recover(path: Path) -> tuple[Path, Ledger] | None:
    """Freeze a segment that a crash left open, without its torn tail; return its frozen path and what it holds.

    None if it is empty.

    Raises:
        OSError: it cannot be read or not be frozen; it is as it was.
    """
    data = path.read_bytes()
    try:
        head = _head(memoryview(data), path.stem)
    except SegmentDamaged:  # a copy of another one: to load it would store twice
        log.exception("journal segment %s is left out", path.name)
        path.rename(path.with_suffix(TORN))
        return None
    if len(data) < head.end or not data.strip(b"\0"):
        path.unlink()  # the crash came before the first sync
        return None
    pieces = _before_copies(memoryview(data), _pieces(memoryview(data), head))
    while pieces and pieces[-1].damage:
        pieces.pop()
    end = pieces[-1].end if pieces else head.end
    if end < len(data):
        _keep_torn(path, data[end:])
    if not pieces:
        path.unlink()
        return None
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    frozen = path.with_suffix(READY)
    files.rename(path, frozen)
    return frozen, _ledger(memoryview(data), pieces)


def survey(path: Path) -> Ledger:
    """Read a segment through for what it holds; a damaged frame counts as a request without items."""
    try:
        data = memoryview(load(path))
        return _ledger(data, _pieces(data, _head(data, path.stem)))
    except SegmentDamaged:
        return Ledger()


def _ledger(data: memoryview, pieces: list[Piece]) -> Ledger:
    made = Ledger.of(data[piece.start : piece.end] for piece in pieces if not piece.damage)
    made.requests = len(pieces)
    return made


def mend(path: Path, requests: int, keep: Keep) -> int:
    """Make a damaged frozen segment readable again; return how many of its requests are lost.

    Args:
        path: the segment.
        requests: how many it held, 0 if nobody knows.
        keep: called with each damaged stretch before anything is changed. What it does must be durable on return, and
            doing it again must do no harm: after a crash in between all of it happens again.

    Raises:
        SegmentDamaged: nothing of it can be read, or it is another segment's copy; it is as it was.
        OSError: the disk did not take the mended file; it is as it was.
    """
    data = load(path)
    head = _head(memoryview(data), path.stem)
    pieces = _pieces(memoryview(data), head)
    intact = sum(not piece.damage for piece in pieces)
    if not intact:
        raise SegmentDamaged(f"journal segment {path.name}: not one of its frames reads")
    for piece in pieces:
        if piece.damage:
            reason = f"journal segment {path.name} is damaged from byte {piece.start} to {piece.end}: {piece.damage}"
            keep(piece.start, data[piece.start : piece.end], reason)
    mended = [frame.encode_head(path.stem, head.salt)]
    missing = max(0, requests - len(pieces))
    for piece in pieces:
        if not piece.damage:
            mended.append(data[piece.start : piece.end])
            continue
        swallowed = missing if piece.damage == frame.LOST else 0
        missing -= swallowed
        mended.append(frame.empty(head.salt) * (1 + swallowed))
    files.write_whole(path, b"".join(mended))
    return max(requests, len(pieces)) - intact


def _head(data: memoryview, name: str) -> Head:
    """Return the head of the segment of this name, even where the disk has damaged it.

    Raises:
        SegmentDamaged: it is another segment's.
    """
    try:
        head = frame.read_head(data)
    except SegmentDamaged:
        pass
    else:
        if head.name == name and head.salt:
            return head
        if names.is_name(head.name) and _differences(head.name, name) > _SAME:
            raise SegmentDamaged(f"journal segment {name} calls itself {head.name}")
    salt = frame.salt_of(name)
    guesses = [Head(name, len(frame.encode_head(name, each)), each) for each in (salt, 0)]
    return max(guesses, key=lambda guess: sum(not piece.damage for piece in _pieces(data, guess)))


def _pieces(data: memoryview, head: Head) -> list[Piece]:
    return list(frame.pieces(data, head.end, head.salt))


def _before_copies(data: memoryview, pieces: list[Piece]) -> list[Piece]:
    """Return the pieces before the first frame that stands there a second time.

    After a power cut the end of a file may hold any block, one of its own beginning too. No two requests make the same
    frame, each has the nanosecond of its arrival; and what was acknowledged lies before all that was never synced.
    """
    seen: set[bytes] = set()
    for number, piece in enumerate(pieces):
        content = bytes(data[piece.start : piece.end])
        if not piece.damage and content in seen:
            return pieces[:number]
        seen.add(content)
    return pieces


def _differences(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))


def _keep_torn(path: Path, data: bytes) -> None:
    torn = path.with_suffix(TORN)
    log.warning("journal segment %s: %d bytes at its end are torn, kept in %s", path.name, len(data), torn.name)
    try:
        files.write_whole(torn, data)
    except OSError:  # a full disk must not keep the collector from starting
        log.exception("journal segment %s: the torn bytes could not be kept", path.name)
