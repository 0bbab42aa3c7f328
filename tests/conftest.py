"""Fixtures that every folder shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import CollectorProcess, running
from server_process import ClickHouseServer


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector for all tests that only add to it; they tell their rows apart by ids of their own."""
    with running(tmp_path_factory.mktemp("collector") / "data", "--batch-seconds", "0.2") as process:
        yield process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A ClickHouse server."""
    made = ClickHouseServer(tmp_path / "server")
    made.start()
    yield made
    made.kill()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:  # noqa: ARG001
    """Name bytes by their argument: random ones would give a test another name in each process."""
    return argname if isinstance(val, bytes) else None
