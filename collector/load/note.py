"""`NAME.parts` beside a segment: it is stored in parts, and must not be inserted whole any more.

3                                     how many requests there were: damage may cut some off
NAME-000000-000002                    parts that are stored by halves themselves, one a line: what was refused may
                                      pass later, where memory was short, say, and would be stored twice
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from collector import files

log = logging.getLogger(__name__)

_SUFFIX = ".parts"


class Note:
    """The note of a segment."""

    def __init__(self, segment: Path) -> None:
        """Name it; nothing is written."""
        self.path = segment.with_suffix(_SUFFIX)

    def exists(self) -> bool:
        """Tell whether the segment is stored in parts."""
        return self.path.exists()

    def begin(self, requests: int) -> None:
        """Write down that a segment of so many requests is stored in parts from now on. Raises OSError."""
        files.write_whole(self.path, str(requests).encode())

    def read(self) -> tuple[int, frozenset[str]]:
        """Return how many requests there were, and the parts that are stored by halves themselves."""
        requests, *apart = self.path.read_text().split()
        return int(requests), frozenset(apart)

    def add(self, part: str) -> None:
        """Write down that a part is stored by halves from now on. Raises OSError."""
        files.write_whole(self.path, self.path.read_bytes() + f"\n{part}".encode())


def drop(notes: Iterable[Note]) -> None:
    """Delete those there are, once their segments are gone for good: no power cut brings one back without its note.

    While the disk does not sync they stay; the next start finds them without a segment.
    """
    there = [note.path for note in notes if note.exists()]
    for folder in {path.parent for path in there}:
        try:
            files.sync_folder(folder)
            for path in there:
                if path.parent == folder:
                    path.unlink()
        except OSError as error:
            log.warning("notes of segments that are gone stay in %s until the next start: %s", folder, error)


def orphans(segments: Iterable[Path]) -> list[Note]:
    """Return the notes beside these segments that belong to none of them: a crash came between the two deletions."""
    segments = list(segments)
    names = {segment.stem for segment in segments}
    folders = {segment.parent for segment in segments}
    found = [path for folder in folders for path in folder.glob("*" + _SUFFIX)]
    return [Note(path) for path in found if path.stem not in names]
