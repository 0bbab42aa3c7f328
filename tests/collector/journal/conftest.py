"""A small file system of its own, for what happens when a disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import small_disk as small_disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 64 KiB of memory as a disk; only root may."""
    with small_disks.mounted(tmp_path / "disk", "64k") as worked:
        if not worked:
            pytest.skip("mounting a small disk takes root")
        yield tmp_path / "disk"
