"""What became of the spans given to the exporter, counted, and told in few true lines."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_logger = logging.getLogger("otel_interactions")

REASONS: Final = 16  # different reasons of refusals that are kept apart
OTHER: Final = "other reasons"


@dataclass(frozen=True, slots=True)
class Counts:
    """The fate of spans: given = delivered + refused + lost + waiting.

    Attributes:
        given: by the application, and found in the spool, where an earlier process left them.
        delivered: accepted by the collector.
        refused: by the collector for good, by what it said.
        lost: given up, by reason.
        failures: requests that have to be tried again.
    """

    given: int = 0
    delivered: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    failures: int = 0

    @property
    def waiting(self) -> int:
        """How many are neither."""
        return self.given - self.delivered - sum(self.refused.values()) - sum(self.lost.values())


class Tally:
    """Counts of one exporter. Safe to use from any thread.

    An outage is two lines in the log at most, and one when it is over.

    Args:
        endpoint: the address to name in the log.
        where: where spans wait meanwhile, for the log.
    """

    def __init__(self, endpoint: str, where: str = "in memory") -> None:
        self.endpoint, self.where = endpoint, where
        self.renew()

    def renew(self) -> None:
        """Begin from zero; in a forked child too, where the lock may be held for ever."""
        self._changed = threading.Condition(threading.RLock())
        self._given = self._found = self._delivered = self._failures = 0
        self._refused: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._lost_in_outage = self._changes = 0
        self._out = self._said_loss = self._said_refusal = False
        self.last_error = ""

    def give(self) -> None:
        """Count one span given by the application."""
        self._given += 1  # the exporter holds a lock of its own, and nobody else adds to this

    def find(self, spans: int) -> None:
        """Count spans that an earlier process left."""
        if not spans:
            return
        with self._changed:
            self._found += spans
        _logger.info("%d span(s) that an earlier process left are sent to %s", spans, self.endpoint)

    def deliver(self, spans: int) -> None:
        """Count spans the collector accepted."""
        with self._changed:
            self._delivered += spans
            over, lost = self._out, self._lost_in_outage
            self._out, self._said_loss, self._lost_in_outage = False, False, 0
            self.change()
        if over:
            _logger.info("the collector at %s answers again; spans dropped meanwhile: %d", self.endpoint, lost)

    def refuse(self, spans: int, error: str) -> None:
        """Count spans the collector refused for good, or hear what it said of those it took."""
        with self._changed:
            self.last_error = error
            if spans:
                self._refused[error if error in self._refused or len(self._refused) < REASONS else OTHER] += spans
            known, self._said_refusal = self._said_refusal, True
            self.change()
        if not known:
            _logger.warning(
                "%d span(s) refused by the collector at %s: %s; further ones are counted in status() and not logged",
                spans,
                self.endpoint,
                error,
            )

    def trouble(self, error: str) -> None:
        """Hear that a request failed and will be tried again."""
        with self._changed:
            self._failures += 1
            self.last_error = error
            known, self._out = self._out, True
            self.change()
        if not known:
            _logger.warning(
                "no success yet at sending to the collector at %s: spans are kept %s and tried again, the "
                "application runs on (%s)",
                self.endpoint,
                self.where,
                error,
            )

    def lose(self, spans: int, reason: str, error: str) -> None:
        """Count spans given up."""
        if not spans:
            return
        with self._changed:
            self._lost[reason] += spans
            self._lost_in_outage += spans
            self.last_error = error
            known, self._said_loss, self._out = self._said_loss, True, True
            self.change()
        if not known:
            _logger.warning(
                "%d span(s) for the collector at %s are dropped, %s: %s; while this lasts, further ones are counted "
                "in status() and not logged",
                spans,
                self.endpoint,
                reason,
                error,
            )

    def counts(self) -> Counts:
        """Return what became of all."""
        with self._changed:
            return Counts(
                self._given + self._found, self._delivered, dict(self._refused), dict(self._lost), self._failures
            )

    def wait_for(self, is_done: Callable[[], bool], deadline: float) -> None:
        """Return when that holds, asked whenever something changes, or at the deadline, by the monotonic clock.

        It is asked with no lock held: the queues it asks about hold theirs while they count.
        """
        while True:
            with self._changed:
                seen = self._changes
            if is_done():
                return
            with self._changed:
                while self._changes == seen:
                    if not self._changed.wait(deadline - time.monotonic()):
                        return

    def change(self) -> None:
        """Have whoever waits look again."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()
