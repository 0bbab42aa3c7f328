"""Fixtures that every folder shares."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import small_disk
from prepared import put_engine
from processes import CollectorProcess, running
from server_process import ClickHouseServer
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

Mount = Callable[[Path, str], None]
TOGETHER = ("tests/dashboards/", "tests/collector/query/clickhouse_http/")
"""Folders whose files share what takes long to make: each goes to one of the processes that test side by side."""


class _Together(LoadFileScheduling):
    """`--dist loadfile`, but for the folders that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((each for each in TOGETHER if nodeid.startswith(each)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Distribute files, and some folders, where files are to be distributed."""
    return _Together(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector for all tests that only add to it; they tell their rows apart by ids of their own."""
    with running(tmp_path_factory.mktemp("collector") / "data", "--batch-seconds", "0.2") as process:
        yield process


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A ClickHouse server that has nothing."""
    made = ClickHouseServer(tmp_path / "server")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A ClickHouse server with our schema and no rows."""
    put_engine(tmp_path / "server")
    made = ClickHouseServer(tmp_path / "server")
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="session", autouse=True)
def no_spool_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests record, and the processes they start, out of the user's spool."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_INTERACTIONS_SPOOL_DIR", str(tmp_path_factory.mktemp("spool")))
        yield


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Return what mounts so much memory (`2m`) as a disk on a folder; only root may."""
    with contextlib.ExitStack() as stack:

        def mount_or_skip(folder: Path, size: str) -> None:
            if not stack.enter_context(small_disk.mounted(folder, size)):
                pytest.skip("mounting a small disk takes root")

        yield mount_or_skip


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:  # noqa: ARG001
    """Name bytes by their argument: random ones would give a test another name in each process."""
    return argname if isinstance(val, bytes) else None
