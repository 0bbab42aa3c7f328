"""Files that a power cut leaves old or new, never in between."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: without it a created or renamed file may vanish with the power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename within one folder, durably."""
    source.rename(target)
    sync_folder(target.parent)


def write_whole(target: Path, data: bytes, *, durable: bool = True, mode: int = 0o666) -> None:
    """Write a file whole or not at all: temporary file, sync, rename, sync the folder.

    Where it need not be durable the syncs are left out: a crash of the process still leaves it old or new, a power cut
    may leave anything. The file has `mode`, less the umask, before its first byte is written.

    Raises:
        OSError: nothing is left of it; what was there before is.
    """
    temporary = target.with_name(target.name + ".tmp")
    temporary.unlink(missing_ok=True)  # left by a crash, perhaps with other rights
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.rename(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(target.parent)
