"""A small disk for the journal of a real collector."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_disk

Mount = Callable[[Path, str], None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Return what mounts so much memory (`2m`) as a disk on a folder; only root may."""
    with contextlib.ExitStack() as stack:

        def mount_or_skip(folder: Path, size: str) -> None:
            if not stack.enter_context(small_disk.mounted(folder, size)):
                pytest.skip("mounting a small disk takes root")

        yield mount_or_skip
