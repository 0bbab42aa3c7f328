"""Collectors here let rows go after as many days as they do by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def days() -> Iterator[None]:
    """Set the default: `processes` keeps rows for ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_INTERACTIONS_RETENTION_DAYS", "90")
        yield
