"""Who is loaded next: urgent ones first, then those in trouble, then each signal in its turn, oldest first.

What an earlier process may have sent comes before all others, the newest first.

- Urgent segments hold critical errors; the newest of them comes first, because somebody is looking at it.
- A segment whose outcome nobody knows comes before new ones, so that ClickHouse has not forgotten its token meanwhile.
- Traces, logs, metrics and replayed letters take turns, so a long line of one never holds up the others.

A segment that fails waits longer each time, and the others go on: it may be its own fault. Once two different ones have
failed in a row it is ClickHouse's, and no third is tried before one of them has passed; so little is left in doubt.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds between two tries of one segment
_URGENT = "-urgent"
_REPLAYS = "replays"
_SURE = 60.0  # seconds; nobody writes so many blocks in that time that a token is forgotten
_ALL_DOWN = 2  # different segments that failed in a row


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frozen segment on its way, and how many requests and items it holds."""

    segment: Path
    requests: int
    items: int


@dataclass(slots=True, eq=False)
class Entry:
    """One segment or letter in the line.

    Attributes:
        path: its file.
        requests: how many there are in it.
        items: spans, log records and data points in them; not told of a letter.
        letter: whether it is a dead letter that is sent again.
        tries: how often it failed.
        error: the last one, in a sentence.
        loaded_before: how many of its signal had been loaded when it failed first.
        maybe_stored: whether an earlier process has sent it, for ClickHouse has rows of it.
        first_try: when it was first sent, by the monotonic clock; 0 before.
        not_before: when it may be tried again, by the monotonic clock.
    """

    path: Path
    requests: int
    items: int = 0
    letter: bool = False
    tries: int = 0
    error: str = ""
    loaded_before: int = 0
    maybe_stored: bool = False
    first_try: float = 0.0
    not_before: float = 0.0

    @property
    def name(self) -> str:
        """What it is called; the token of its insert, and what its rows say they come from."""
        return self.path.stem

    @property
    def signal(self) -> str:
        """Which of the inboxes it goes to: the third field of its name."""
        return self.name.split("-")[2]

    @property
    def urgent(self) -> bool:
        """Whether it comes before the others."""
        return self.name.endswith(_URGENT) and not self.letter

    @property
    def in_doubt(self) -> bool:
        """Whether ClickHouse may have it and may have forgotten its token."""
        return self.maybe_stored or self.letter or bool(self.tries and time.monotonic() - self.first_try > _SURE)


class Line:
    """The line before the loader; any thread may join it."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._condition = threading.Condition()
        self._all: dict[Path, Entry] = {}  # as they came
        self._urgent: list[Entry] = []
        self._lanes: dict[str, deque[Entry]] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._troubled: list[Entry] = []
        self._failed_in_a_row: set[Path] = set()
        self._loaded: Counter[str] = Counter()
        self._draining = self._closed = False

    def join(self, entry: Entry) -> None:
        """Wait behind those before; whoever waits already does not wait twice."""
        with self._condition:
            if entry.path in self._all:
                return
            self._all[entry.path] = entry
            lane = _REPLAYS if entry.letter else entry.signal
            (self._urgent if entry.urgent else self._lanes.setdefault(lane, deque())).append(entry)
            self._condition.notify_all()

    def doubt(self, names: set[str]) -> None:
        """Put those forward that an earlier process may have sent, the newest first."""
        with self._condition:
            for entry in reversed(self._all.values()):
                if entry.name in names and not entry.letter:
                    entry.maybe_stored = True
                    self._leave_lane(entry)
                    self._troubled.append(entry)

    def _leave_lane(self, entry: Entry) -> None:
        if entry.urgent:
            self._urgent.remove(entry)
        else:
            self._lanes[entry.signal].remove(entry)

    def entries(self) -> list[Entry]:
        """Return the segments in the line, the first that came first, the one being loaded included."""
        with self._condition:
            return [entry for entry in self._all.values() if not entry.letter]

    def trouble(self) -> str:
        """Return what the one said that failed last and has not passed since, "" if all goes well."""
        with self._condition:
            failed = [entry for entry in self._all.values() if entry.error]
        return max(failed, key=lambda entry: entry.not_before).error if failed else ""

    def take(self, seconds: float) -> Entry | None:
        """Return who is next, at once or within so many seconds; None if nobody is, or the line is closed."""
        deadline = time.monotonic() + seconds
        with self._condition:
            while not self._closed:
                now = time.monotonic()
                entry = self._next(now)
                if entry or now >= deadline or self._is_drained():
                    return entry
                self._condition.wait(min([deadline, *(each.not_before for each in self._candidates())]) - now)
        return None

    def take_doubted(self) -> Entry | None:
        """Return who is next of those that an earlier process may have sent and nobody tried yet; None if nobody is."""
        with self._condition:
            entry = next((each for each in self._troubled if each.maybe_stored and not each.tries), None)
            if entry and not self._closed:
                self._troubled.remove(entry)
                return entry
        return None

    def _candidates(self) -> list[Entry]:
        """Return those in trouble that may be tried when their time has come."""
        if len(self._failed_in_a_row) < _ALL_DOWN:
            return self._troubled
        return [entry for entry in self._troubled if entry.path in self._failed_in_a_row]

    def _next(self, now: float) -> Entry | None:
        due = [entry for entry in self._candidates() if entry.not_before <= now]
        if len(self._failed_in_a_row) < _ALL_DOWN and self._urgent:
            newest = max(self._urgent, key=lambda entry: entry.name)
            self._urgent.remove(newest)
            return newest
        if due:
            first = min(due, key=lambda entry: entry.not_before)
            self._troubled.remove(first)
            return first
        if len(self._failed_in_a_row) < _ALL_DOWN:
            return self._next_in_turn()
        return None

    def _next_in_turn(self) -> Entry | None:
        waiting = [name for name, lane in self._lanes.items() if lane]
        if not waiting:
            return None
        name = min(waiting, key=lambda each: self._turns.get(each, 0))
        self._turn += 1
        self._turns[name] = self._turn
        return self._lanes[name].popleft()

    def passed(self, entry: Entry) -> None:
        """Forget one that is done with."""
        with self._condition:
            del self._all[entry.path]
            self._failed_in_a_row.clear()
            self._condition.notify_all()

    def works(self, signal: str) -> None:
        """Take note that ClickHouse stores something of this signal."""
        with self._condition:
            self._loaded[signal] += 1
            self._failed_in_a_row.clear()

    def loaded(self, signal: str) -> int:
        """Return how often ClickHouse stored something of this signal."""
        with self._condition:
            return self._loaded[signal]

    def others_pass(self, entry: Entry) -> bool:
        """Tell whether ClickHouse stored others of its signal since this one failed first."""
        return self.loaded(entry.signal) > entry.loaded_before

    def failed(self, entry: Entry, error: str) -> None:
        """Let one that was taken wait for its next try."""
        with self._condition:
            pause = min(_FIRST_PAUSE * 2 ** min(entry.tries, 20), _LONGEST_PAUSE)
            entry.tries += 1
            entry.error = error
            entry.not_before = time.monotonic() + pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            self._troubled.append(entry)
            self._failed_in_a_row.add(entry.path)

    def drain(self) -> None:
        """Let nobody wait for those to come: the line ends when it is empty."""
        with self._condition:
            self._draining = True
            self._condition.notify_all()

    def rest(self, seconds: float) -> None:
        """Wait, but no longer than until the line is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed, seconds)

    def close(self) -> None:
        """Take nobody any more."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def ended(self) -> bool:
        """Whether nobody will be taken any more."""
        with self._condition:
            return self._closed or self._is_drained()

    def _is_drained(self) -> bool:
        return self._draining and all(entry.letter for entry in self._all.values())
