"""A small file system of its own, for what happens when a disk is full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path, mount: Callable[[Path, str], None]) -> Path:
    """Mount 64 KiB of memory as a disk; only root may."""
    mount(tmp_path / "disk", "64k")
    return tmp_path / "disk"
