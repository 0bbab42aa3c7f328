"""A clock to turn by hand, and keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.access import doorman, keyfile, keyring, keys, rates
from collector.access.keyring import KeyRing
from collector.access.keys import Key, Scope


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        """Begin anywhere."""
        self.now = 1000.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In place of the monotonic clock."""
    made = Clock()
    for module in (doorman, keyring, rates):
        monkeypatch.setattr(module, "time", made)
    return made


class Keys:
    """A key file and the ring that reads it."""

    def __init__(self, path: Path) -> None:
        """Begin without keys."""
        self.path = path
        self.ring = KeyRing(path)

    def add(self, *scopes: Scope, tenant: str = "acme", **limits: float) -> tuple[Key, str]:
        """Add one, as the command line does."""
        key, token = keys.make("test", tenant, frozenset(scopes or {Scope.INGEST}), **limits)
        keyfile.add(self.path, key)
        return key, token


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Keys:  # noqa: ARG001 - the ring looks at it
    """No keys yet."""
    return Keys(tmp_path / "keys.json")
