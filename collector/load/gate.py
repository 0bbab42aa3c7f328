"""Inserts go on side by side; whoever compares what several tables have of them goes alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Gate:
    """Lets many in, or one alone. Any thread may come; nobody may come twice."""

    def __init__(self) -> None:
        """Nobody is in."""
        self._condition = threading.Condition()
        self._inside = 0
        self._alone = False  # whether somebody is in alone, or waits for the others to leave

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Go in with others, once nobody is or wants to be alone."""
        with self._condition:
            self._condition.wait_for(lambda: not self._alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Go in when all others are out, and keep them out."""
        with self._condition:
            self._condition.wait_for(lambda: not self._alone)
            self._alone = True
            self._condition.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._condition:
                self._alone = False
                self._condition.notify_all()
