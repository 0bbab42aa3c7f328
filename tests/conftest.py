"""Fixtures that every folder shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from processes import CollectorProcess, running


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector for all tests that only add to it; they tell their rows apart by ids of their own."""
    with running(tmp_path_factory.mktemp("collector") / "data", "--batch-seconds", "0.2") as process:
        yield process


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:  # noqa: ARG001
    """Name bytes by their argument: random ones would give a test another name in each process."""
    return argname if isinstance(val, bytes) else None
