"""The ledgers of segments that are loaded and gone, for as long as what was in them may be sent again."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from collector import files
from collector.journal.ledger import Ledger
from collector.journal.space import Space


@dataclass(frozen=True, slots=True)
class _Kept:
    """A ledger's file: until when it stays (monotonic), its requests and bytes."""

    path: Path
    until: float
    requests: int
    size: int


class Archive:
    """Keeps ledgers for a window of time, and so many requests at most: the oldest go first. Any thread may call."""

    def __init__(self, space: Space, window: float, most: int, *, durable: bool) -> None:
        """Keep them for `window` seconds, 0 for none, and `most` requests; count their bytes in `space`."""
        self._space = space
        self._window = window
        self._most = most
        self._durable = durable
        self._kept: deque[_Kept] = deque()
        self._requests = 0
        self._lock = threading.Lock()

    def wants(self, ledger: Ledger) -> bool:
        """Tell whether something in it may be sent again and is to be recognised then."""
        return bool(ledger.newest) and self._window > 0

    def write(self, path: Path, ledger: Ledger) -> None:
        """Write a ledger whole.

        Raises:
            OSError: it is not there, or it is and not durable.
        """
        files.write_whole(path, ledger.encode(), durable=self._durable)

    def keep(self, path: Path, ledger: Ledger) -> None:
        """Take over this ledger's file, and delete it when nothing in it will be asked for any more."""
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # the disk was too full for it
            return
        until = time.monotonic() + self._window
        with self._lock:
            self._space.add(size)
            self._kept.append(_Kept(path, until, ledger.requests, size))
            self._requests += ledger.requests
            self._sweep()

    def _sweep(self) -> None:
        now = time.monotonic()
        while self._kept and (self._kept[0].until <= now or self._requests > self._most):
            oldest = self._kept.popleft()
            self._requests -= oldest.requests
            self._space.free(oldest.size)
            oldest.path.unlink(missing_ok=True)
