"""A collector that the verbs have much to read from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from processes import CollectorProcess, running
from seeded import seeded


@pytest.fixture(scope="module")
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector with about `ROWS` interactions until `UNTIL`, as the module of the tests says."""
    module = request.module
    with running(seeded(tmp_path_factory.mktemp("full") / "data", module.ROWS, module.UNTIL)) as started:
        yield started
