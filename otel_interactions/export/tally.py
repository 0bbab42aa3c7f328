"""What became of the spans given to the exporter, counted, and told in few true lines."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import Counter
from functools import partial

_logger = logging.getLogger("otel_interactions")


class Tally:
    """Counts of one exporter: given = delivered + lost + waiting. Safe to use from any thread.

    An outage is two lines in the log at most, and one when it is over.

    Args:
        endpoint: the address to name in the log.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_renew, weakref.ref(self)))

    def renew(self) -> None:
        """Begin from zero; in a forked child too, where OpenTelemetry empties its queues and the lock may be held."""
        self._lock = threading.Lock()
        self._given = 0
        self._delivered = 0
        self._lost: Counter[str] = Counter()
        self._lost_in_outage = 0
        self._abandoned = 0
        self._out = False
        self._said_loss = False
        self.last_error = ""

    def give(self, limit: int | None = None) -> bool:
        """Count one span given; return False, and count it lost, where `limit` are waiting already."""
        with self._lock:
            self._given += 1
            if limit is None or self._waiting() <= limit:
                return True
        self.lose(1, "queue_full", f"{limit} spans are waiting already")
        return False

    def deliver(self, spans: int) -> None:
        """Count spans the collector accepted."""
        with self._lock:
            self._delivered += spans
            self._lost["shutdown"] -= self._found_again(spans)
            over, lost = self._out, self._lost_in_outage
            self._out, self._said_loss, self._lost_in_outage = False, False, 0
        if over:
            _logger.info("the collector at %s answers again; spans dropped meanwhile: %d", self.endpoint, lost)

    def trouble(self, error: str) -> None:
        """Hear that an export failed and will be tried again."""
        with self._lock:
            self.last_error = error
            known, self._out = self._out, True
        if not known:
            _logger.warning(
                "no success yet at sending to the collector at %s: spans are kept in memory and tried again, the "
                "application runs on (%s)",
                self.endpoint,
                error,
            )

    def lose(self, spans: int, reason: str, error: str) -> None:
        """Count spans given up."""
        with self._lock:
            spans -= self._found_again(spans)
            known = not spans or self._count_loss(spans, reason, error)
        if not known:
            self._tell_loss(spans, reason, error)

    def abandon(self) -> None:
        """Count all that is waiting as lost to a shutdown whose time is over; what still arrives is counted right."""
        with self._lock:
            waiting = self._waiting()
            if not waiting:
                return
            error = f"not sent in time; last error: {self.last_error or 'none'}"
            known = self._count_loss(waiting, "shutdown", error)
            self._abandoned += waiting
        if not known:
            self._tell_loss(waiting, "shutdown", error)

    def _count_loss(self, spans: int, reason: str, error: str) -> bool:
        """Count under the lock; return whether this outage has had its line about losses."""
        self._lost[reason] += spans
        self._lost_in_outage += spans
        self.last_error = error
        known, self._said_loss, self._out = self._said_loss, True, True
        return known

    def _tell_loss(self, spans: int, reason: str, error: str) -> None:
        _logger.warning(
            "%d span(s) for the collector at %s are dropped, %s: %s; while this lasts, further ones are counted in "
            "status() and not logged",
            spans,
            self.endpoint,
            reason,
            error,
        )

    def counts(self) -> tuple[int, dict[str, int], int]:
        """Return (delivered, lost by reason, waiting)."""
        with self._lock:
            return self._delivered, dict(+self._lost), self._waiting()

    def _found_again(self, spans: int) -> int:
        """Return how many of these spans were counted as abandoned before."""
        found = min(spans, self._abandoned)
        self._abandoned -= found
        return found

    def _waiting(self) -> int:
        return self._given - self._delivered - sum(self._lost.values())


def _renew(tally: weakref.ref[Tally]) -> None:
    if (found := tally()) is not None:
        found.renew()
