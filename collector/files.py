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


def write_whole(target: Path, data: bytes) -> None:
    """Write a small file whole or not at all: temporary file, sync, rename, sync the folder."""
    temporary = target.with_name(target.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    rename(temporary, target)
