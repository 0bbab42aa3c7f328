"""The power of a machine: `python power.py serve …` is a collector that notes what it syncs; `cut` takes the rest away.

What a process writes and does not sync, a power cut leaves as it likes: written, missing, zeros, noise. What it deletes
may be there again until the folder is synced. ClickHouse syncs rows, and never what it remembers of deduplication
tokens: that loses its end.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from collector import files
from collector.journal import frame
from collector.journal.ledger import SEEN
from collector.journal.names import OPEN, READY
from collector.load import token_logs

SCRIPT = Path(__file__)
_JOURNAL = "journal"
NOTES = "power"  # beside the journal, so that they take none of its disk
_MOST = 5000  # bytes of garbage


def note_syncs() -> None:
    """Note from now on how much of each journal file this process syncs, and keep what it deletes until that is."""
    os.fsync, os.fdatasync = _noted(os.fsync), _noted(os.fdatasync)
    unlink = os.unlink

    def keeping(path: str | os.PathLike[str], **more: int) -> None:
        deleted = Path(path)
        if deleted.suffix == READY and deleted.parent.name == _JOURNAL:
            shutil.copy(deleted, _notes(deleted.parent))
        unlink(path, **more)

    os.unlink = keeping  # type: ignore[assignment]


def _noted(sync: Callable[[int], None]) -> Callable[[int], None]:
    def syncing(descriptor: int) -> None:
        status, path = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}").readlink()
        deleted = list((path.parent / NOTES).glob("*" + READY))
        sync(descriptor)
        if path.name == _JOURNAL:
            for each in deleted:
                each.unlink(missing_ok=True)  # another thread may have synced the folder as well
        elif path.parent.name == _JOURNAL:
            files.write_whole(_notes(path.parent) / _key(path), str(status.st_size).encode(), durable=False)

    return syncing


def _notes(folder: Path) -> Path:
    notes = folder.parent / NOTES
    notes.mkdir(exist_ok=True)
    return notes


def _key(path: Path) -> str:
    """Name a file whatever it is renamed to: a segment when it is frozen, a ledger when it is whole."""
    return path.name.removesuffix(".tmp").removesuffix(OPEN).removesuffix(READY) + ".synced"


def cut(journal: Path, choose: random.Random) -> None:
    """Leave of a killed collector's journal what a power cut may leave; the machine has started anew."""
    notes = _notes(journal)
    for path in [*journal.glob("*" + OPEN), *journal.glob("*" + SEEN)]:
        note = notes / _key(path)
        _spoil(path, int(note.read_text()) if note.exists() else 0, choose)
    for path in notes.glob("*" + READY):
        if choose.random() < 0.8:
            shutil.copy(path, journal)
    settled = journal.parent / "settled"
    if settled.exists() and settled.read_text().startswith("boot"):
        settled.write_text("boot of another day")


def cut_tokens(clickhouse: Path, choose: random.Random) -> None:
    """Let a killed engine have forgotten some of the newest deduplication tokens, or all."""
    for path in clickhouse.glob(token_logs.FILES):
        data = path.read_bytes()
        path.write_bytes(data[: choose.choice([0, choose.randrange(len(data) + 1)])] + bytes(choose.choice([0, 9])))


def _spoil(path: Path, synced: int, choose: random.Random) -> None:
    """Keep what was synced; behind it is what was written, nothing, zeros, noise, half a frame or old blocks."""
    data = path.read_bytes()
    kept, rest = data[:synced], data[synced:]
    garbage = choose.randrange(1, _MOST)
    tails = [rest, b"", rest[: len(rest) // 2], bytes(garbage), choose.randbytes(garbage), kept[-_MOST:]]
    found = frames(kept) if path.suffix == OPEN and synced else []
    if found:
        tails.append(kept[found[0][0] : found[0][1] - 1])
    path.write_bytes(kept + choose.choice(tails))


def frames(data: bytes) -> list[tuple[int, int]]:
    """Return where the whole frames of a segment begin and end."""
    view = memoryview(data)
    head = frame.read_head(view)
    return list(frame.frames(view, head.end, head.salt))


if __name__ == "__main__":
    note_syncs()
    from collector.__main__ import main

    sys.argv[0] = "otel-interactions"
    main()
