"""What a segment is called, by a clock that never goes back.

    01790000000000000000-1a2b3c4d-traces-urgent
    ^ birth              ^ random ^ signal ^ only where it is urgent

The birth is in nanoseconds since 1970. So names sort by age and never repeat, also across processes and restarts, and a
name made is later than every name seen. What the wall clock does after the start of this process touches neither names
nor ages: from there on time is the monotonic clock's. A start at a wrong time is noticed by nobody; an age read off a
name that an earlier process made may be wrong by as much as the clock was, so it is held within bounds.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from pathlib import Path

from collector.request import Signal

OPEN = ".open"  # being written
READY = ".ready"  # frozen, waits to be loaded
URGENT = "urgent"
_PATTERN = re.compile(rf"(\d{{20}})-[0-9a-f]{{8}}-({'|'.join(each.name.lower() for each in Signal)})(?:-{URGENT})?")
_LATEST = 2**63  # nanoseconds: the year 2262; whatever carries a later birth did not get it from a clock
_LONGEST_AGE = 10 * 365 * 86_400.0  # seconds


class Clock:
    """Nanoseconds since 1970, never less than before."""

    def __init__(self) -> None:
        """Take the time from the wall clock, once."""
        self._offset = time.time_ns() - time.monotonic_ns()
        self._last = 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the time."""
        return self._offset + time.monotonic_ns()

    def next(self) -> int:
        """Return a time later than every one returned or seen before."""
        with self._lock:
            self._last = max(self.now(), self._last + 1)
            return self._last

    def saw(self, birth: int) -> None:
        """Take note of a time that is already in a name."""
        with self._lock:
            if birth < _LATEST:
                self._last = max(self._last, birth)

    def age_seconds(self, birth: int) -> float:
        """Return the seconds since `birth`; 0 for what lies in the future, ten years for what is older."""
        return min(max(0.0, (self.now() - birth) / 1e9), _LONGEST_AGE)


_clock = Clock()


def make(signal: Signal, *, urgent: bool) -> str:
    """Return a name for a new segment."""
    lane = f"{signal.name.lower()}-{URGENT}" if urgent else signal.name.lower()
    return f"{_clock.next():020d}-{secrets.token_hex(4)}-{lane}"


def is_name(text: str) -> bool:
    """Tell whether this can be a segment's name."""
    return _PATTERN.fullmatch(text) is not None


def is_related(text: str) -> bool:
    """Tell whether a file of this name belongs to a segment: it begins with the segment's name and a full stop."""
    found = _PATTERN.match(text)
    return found is not None and text.startswith(".", found.end())


def saw(name: str) -> None:
    """Take note of a name that is in use: those made from now on are later."""
    _clock.saw(_birth(name))


def age_seconds(path: Path) -> float:
    """Seconds since the segment at `path` was opened, between 0 and ten years, read off its name."""
    return _clock.age_seconds(_birth(path.name))


def _birth(name: str) -> int:
    return int(name.split("-", 1)[0])


def signal(path: Path) -> str:
    """Return the label of the signal a segment holds, read off its name."""
    return path.stem.split("-")[2]
