"""What becomes of one request, counted once, whoever still waits for the answer."""

from __future__ import annotations

import asyncio
import time

from collector.errors import Refused
from collector.request import Signal
from collector.telemetry import Counters


class Fate:
    """Begins when a request has arrived; exactly one of refused, duplicate, empty and follow ends it.

    A request is counted as received at once, its items once they are known. So items count only in bodies that were
    read: those of what is refused or recognised before that are nobody's.
    """

    def __init__(self, counters: Counters, signal: Signal | None) -> None:
        """Count a request as received; None where its signal is not known yet."""
        self._counters = counters
        self._signal = signal.label if signal else ""
        self._items = 0
        self._began = time.perf_counter()
        counters.add("requests_received", signal=self._signal)

    def read(self, size: int, items: int, rejected: int = 0) -> None:
        """Count the items of a body of `size` bytes: those to be kept, and those refused out of it."""
        self._items = items
        self._counters.observe("request_size_bytes", size, signal=self._signal)
        self._counters.add("items_received", items + rejected, signal=self._signal)
        if rejected:
            self._counters.add("items_refused", rejected, signal=self._signal, reason="rejected")

    def refused(self, error: BaseException) -> None:
        """Nothing of it is stored, and the sender is told why."""
        reason = error.reason if isinstance(error, Refused) else "internal"
        self._counters.fate("refused", self._items, signal=self._signal, reason=reason)

    def duplicate(self) -> None:
        """The same body was accepted before, or is being accepted."""
        self._counters.add("requests_duplicate", signal=self._signal)

    def empty(self) -> None:
        """There is nothing to store."""
        self._counters.add("requests_empty", signal=self._signal)

    def follow(self, outcome: asyncio.Future[None]) -> None:
        """Count what the journal will say: on disk, or not, even when the sender has gone away meanwhile."""
        outcome.add_done_callback(self._settle)

    def _settle(self, outcome: asyncio.Future[None]) -> None:
        if outcome.cancelled():
            self.refused(asyncio.CancelledError())
        elif error := outcome.exception():
            self.refused(error)
        else:
            self._counters.fate("journaled", self._items, signal=self._signal)
            took = time.perf_counter() - self._began
            self._counters.observe("acknowledgement_duration_seconds", took, signal=self._signal)
