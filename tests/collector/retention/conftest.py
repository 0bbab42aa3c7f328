"""Collectors here let rows go after as many days as they do by themselves."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the default: `processes` keeps rows for ever."""
    monkeypatch.setenv("OTEL_INTERACTIONS_RETENTION_DAYS", "90")
