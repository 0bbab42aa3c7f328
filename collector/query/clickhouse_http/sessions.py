"""What SET and USE leave behind for the requests of one `session_id`: settings and a database, nothing else.

ClickHouse keeps a session for one caller and one request at a time. Here nothing in a session can be half done, so
requests of one session may run side by side (a server says SESSION_IS_LOCKED).
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from collector.query.clickhouse_http.query_error import QueryError

DEFAULT_SECONDS: Final = 60  # ClickHouse's `default_session_timeout`
LONGEST_SECONDS: Final = 3600  # ClickHouse's `max_session_timeout`
_MOST: Final = 1024  # then one goes of whoever has most of them, the one unused for longest
_MOST_CHARACTERS: Final = 64 << 10  # of all settings of one session


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of its session.

    Attributes:
        name: its `session_id`, "" for no session.
        seconds: how long it is kept after its last request.
        exists: whether it has to be there already (`session_check`).
        ends: whether it ends with this request (`close_session`).
    """

    name: str = ""
    seconds: int = DEFAULT_SECONDS
    exists: bool = False
    ends: bool = False


@dataclass(slots=True)
class Remembered:
    """What one session remembers."""

    settings: dict[str, str] = field(default_factory=dict)  # as they were asked for
    database: str = ""
    until: float = 0.0  # seconds of the monotonic clock

    def set(self, settings: dict[str, str]) -> None:
        """Remember settings.

        Raises:
            QueryError: they are more than a session may hold.
        """
        together = self.settings | settings
        if sum(len(name) + len(text) for name, text in together.items()) > _MOST_CHARACTERS:
            raise QueryError(36, "BAD_ARGUMENTS", f"A session holds {_MOST_CHARACTERS} characters of settings at most.")
        self.settings = together


class Sessions:
    """All sessions there are. For one thread: the event loop's."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    @contextlib.contextmanager
    def entered(self, caller: str, asked: Asked) -> Iterator[Remembered]:
        """Give what a caller's session remembers, while one of its requests runs.

        Raises:
            QueryError: there is no such session, and there had to be.
        """
        if not asked.name:
            yield Remembered()
            return
        session = self._found((caller, asked.name), asked)
        try:
            yield session
        finally:
            session.until = time.monotonic() + asked.seconds

    def _found(self, key: tuple[str, str], asked: Asked) -> Remembered:
        session = self._kept.pop(key, None)
        if session and session.until < time.monotonic():
            session = None
        if session is None and asked.exists:
            raise QueryError(372, "SESSION_NOT_FOUND", f"Session {asked.name[:100]} not found.")
        session = session or Remembered()
        if asked.ends:  # for the next request, which may come as soon as the answer to this one is there
            return session
        session.until = time.monotonic() + LONGEST_SECONDS  # while the request runs
        self._kept[key] = session
        if len(self._kept) > _MOST:
            [(most, _)] = Counter(caller for caller, _ in self._kept).most_common(1)
            del self._kept[next(each for each in self._kept if each[0] == most)]
        return session
