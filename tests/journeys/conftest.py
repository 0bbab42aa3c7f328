"""A ClickHouse server for the journeys that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import ClickHouseServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A ClickHouse server."""
    made = ClickHouseServer(tmp_path / "server")
    made.start()
    yield made
    made.kill()
