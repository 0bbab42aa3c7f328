"""How much more the journal may take: of its own limit, and of the disk."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_RESUME = 0.95  # of the limit: once full, the journal takes requests again below that, not at the next byte


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why there is no room: a sentence, and what to do about it."""

    message: str
    hint: str


class Space:
    """Bytes of the journal's files and of the disk they lie on. Any thread may ask and tell.

    Attributes:
        used: bytes of all files but the segments being written.
    """

    def __init__(self, folder: Path, limit: int, reserve: int) -> None:
        """Keep the journal below `limit` bytes and `reserve` bytes of the disk free; a reserve of 0 is none."""
        self.used = 0
        self._folder = folder
        self._limit = limit
        self._reserve = reserve
        self._full = False
        self._scarce = False
        self._freed_at = time.monotonic()
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count a file that is complete."""
        with self._lock:
            self.used += size

    def free(self, size: int) -> None:
        """Count off a file that is gone."""
        with self._lock:
            self.used -= size
            self._freed_at = time.monotonic()

    def shortage(self, filling: int, more: int) -> Shortage | None:
        """Tell why `more` bytes cannot be added to segments that hold `filling`; None if they can.

        Raises:
            OSError: the disk does not say how much is free.
        """
        return self._of_the_limit(filling) or self._of_the_disk(more)

    def _of_the_limit(self, filling: int) -> Shortage | None:
        used = self.used + filling
        self._full = used >= self._limit * (_RESUME if self._full else 1.0)
        if not self._full:
            return None
        idle = time.monotonic() - self._freed_at
        return Shortage(
            f"the journal is full: {used} bytes wait for ClickHouse, which has taken nothing for {idle:.0f} s",
            "/health says what keeps ClickHouse from taking them; --journal-max-bytes is how much may wait",
        )

    def _of_the_disk(self, more: int) -> Shortage | None:
        if not self._reserve:
            return None
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        self._scarce = free - more < self._reserve / (_RESUME if self._scarce else 1.0)
        if not self._scarce:
            return None
        return Shortage(
            f"the journal's disk has {free} bytes left, of which {self._reserve} are kept free",
            "make room on the disk; --disk-reserve-bytes is how much the journal leaves free",
        )
