"""`make demo` proves what it prints: its check fails when an interaction is missing or doubled."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from collector import demo

COMPLETE = {"rows": 3, "spans": 3, "ids": ["a", "b", "c"], "numbers": 3, "last_number": 3}


@pytest.mark.parametrize(
    ("change", "complete"),
    [
        ({}, True),
        ({"rows": 4}, False),  # a span stored twice
        ({"rows": 2, "spans": 2}, False),  # one is missing
        ({"numbers": 2}, False),  # a number twice, another not at all
        ({"last_number": 4}, False),  # something was numbered that is not there
    ],
)
def test_numbered_recordings(change: dict[str, Any], complete: bool) -> None:
    """A process of our SDK is complete when its numbers run from 1 to the count, each once."""
    recorded = demo._Recorded("chat", 3)
    assert demo._compare(Console(quiet=True), recorded, COMPLETE | change) is complete


@pytest.mark.parametrize(("ids", "complete"), [(["a", "b", "c"], True), (["a", "b", "x"], False)])
def test_named_spans(ids: list[str], complete: bool) -> None:
    """A stock program is complete when exactly its span ids are there."""
    recorded = demo._Recorded("stock", 3, {"a", "b", "c"})
    assert demo._compare(Console(quiet=True), recorded, COMPLETE | {"ids": ids}) is complete


def test_nothing_arrived() -> None:
    """A process none of whose interactions are stored is not complete."""
    assert not demo._compare(Console(quiet=True), demo._Recorded("chat", 3), {})
