"""A data directory full of interactions, made by the benchmarks' seed in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prepared import put_database

SEED = Path(__file__).parents[1] / "benchmarks" / "seed.py"


def seeded(folder: Path, rows: int, until: str) -> Path:
    """Make about so many interactions of the 30 days before `until` (UTC); the same each time."""
    put_database(folder)
    command = [sys.executable, str(SEED), "--rows", str(rows), "--data-dir", str(folder), "--until", until]
    subprocess.run(command, check=True, capture_output=True)
    return folder
