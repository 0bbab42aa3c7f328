"""Verbs of the command line that packages installed beside bring: the SDK's `spool`.

They are entry points of the group `otel_interactions.commands`: functions that take the arguments behind the verb and
return the exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

Verb = Callable[[Sequence[str]], int]


def brought(name: str) -> Verb | None:
    """Return a verb by its name, None if nobody brings it."""
    for found in entry_points(group="otel_interactions.commands", name=name):
        verb: Verb = found.load()
        return verb
    return None
