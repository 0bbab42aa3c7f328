"""Memory mounted as a disk of a given size, for what happens when one is full."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[bool]:
    """Mount so much memory (`size=2m`) on a folder while the block runs; yield whether that worked: only root may."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    worked = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield worked
    finally:
        if worked:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no space on the disk a folder is on; return the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast
