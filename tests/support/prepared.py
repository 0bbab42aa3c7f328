"""A database with our schema, made once a test run and copied for each collector: that saves each a second."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from collector.clickhouse import EMBEDDED_FOLDER
from collector.datadir import POLICIES

_POLICIES = """
import sys, pathlib
from collector import clickhouse, datadir
from collector.access import row_policies
data = pathlib.Path(sys.argv[1])
made = clickhouse.ClickHouse(data, None)
found = row_policies.tables(made), row_policies.dictionaries(made)
row_policies.remember(data / datadir.POLICIES, *found)
"""


@functools.cache
def _made() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="prepared-")
    migrate = [sys.executable, "-m", "collector", "schema", "migrate", "--data-dir", folder.name]
    subprocess.run(migrate, check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", _POLICIES, folder.name], check=True, capture_output=True)
    return folder


def put_database(data_dir: Path) -> None:
    """Put it into a data directory that has none."""
    if not (data_dir / EMBEDDED_FOLDER).exists():
        put_engine(data_dir / EMBEDDED_FOLDER)
        shutil.copy(Path(_made().name) / POLICIES, data_dir)


def put_engine(folder: Path) -> None:
    """Let an engine find it in this folder, which is not there yet."""
    shutil.copytree(Path(_made().name) / EMBEDDED_FOLDER, folder, symlinks=True)
