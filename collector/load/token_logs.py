"""The embedded engine's files of deduplication tokens, which it never syncs and does not mend.

    1 <tab> part <tab> token <newline>          1: inserted, 2: gone

What a full disk or a power cut leaves of the last record the engine appends the next one to, and at its next start it
reads no further than that line: whatever was inserted since would be inserted once more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from collector import files

FILES = "store/*/*/deduplication_logs/deduplication_log_*.txt"
_RECORD = re.compile(rb"^[12]\t[\x21-\x7e]+\t[\x21-\x7e]+\n", re.MULTILINE)


def torn(engine: Path) -> dict[Path, bytes]:
    """Return the files below an engine's folder that do not read to their ends, and what of them does."""
    found = {path: path.read_bytes() for path in engine.glob(FILES)}
    sound = {path: b"".join(_RECORD.findall(data)) for path, data in found.items()}
    return {path: sound[path] for path, data in found.items() if sound[path] != data}


def mend(found: Mapping[Path, bytes]) -> None:
    """Leave whole records only in files that `torn` found; nobody may have the engine open.

    Raises:
        OSError: a file cannot be written.
    """
    for path, sound in found.items():
        files.write_whole(path, sound)
