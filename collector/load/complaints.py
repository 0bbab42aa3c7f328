"""What is logged of an error that keeps coming back: it once, at once, then how often, every half minute."""

from __future__ import annotations

import logging
import threading
import time

from collector.load.clickhouse_errors import Fate, Verdict

log = logging.getLogger(__name__)

_EVERY = 30.0  # seconds


class Complaints:
    """The errors since ClickHouse last stored something. Any thread may call."""

    def __init__(self) -> None:
        """All is well."""
        self._lock = threading.Lock()
        self._tries = 0
        self._since = self._said_at = 0.0
        self._about: tuple[int, Fate] | None = None

    def failed(self, name: str, verdict: Verdict, error: Exception) -> None:
        """Log a failed try, unless much the same was logged just now. What nobody expects comes with its traceback."""
        with self._lock:
            now = time.monotonic()
            self._since = self._since or now
            self._tries += 1
            about = verdict.code, verdict.fate
            if about != self._about:
                expected = verdict.expected
                log.warning("%s: %s; trying again", name, verdict.sentence, exc_info=None if expected else error)
            elif now - self._said_at >= _EVERY:
                log.warning("%s: %s; %d tries in %.0f s", name, verdict.sentence, self._tries, now - self._since)
            else:
                return
            self._about, self._said_at = about, now

    def works(self) -> None:
        """Log that the trouble is over, if there was any."""
        with self._lock:
            if self._tries:
                log.info(
                    "ClickHouse stores again, after %d tries in %.1f s", self._tries, time.monotonic() - self._since
                )
            self._tries, self._since, self._about = 0, 0.0, None
