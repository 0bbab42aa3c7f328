"""What both protocols do with a body: validate, journal, and only then say yes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from collector.errors import Refused, TooLarge
from collector.receive.validate import VALIDATORS, Accepted
from collector.request import Receipt, Request, Sender, Signal
from collector.telemetry import Counters

_UNFOLDED = 4  # times the size limit; a resource stands beside each of its spans in the tables, and in memory before


class Intake:
    """Takes bodies from both protocols; `append` makes a request durable or raises."""

    def __init__(self, append: Callable[[Request], Awaitable[None]], limit: int, counters: Counters) -> None:
        """Bound bodies to `limit` bytes."""
        self.limit = limit
        self._append = append
        self._counters = counters

    async def accept(self, signal: Signal, body: bytes, sender: Sender) -> Receipt:
        """Return once the request may be acknowledged.

        An empty request, or one of empty envelopes, is a success that leaves no trace, as OTLP asks.

        Raises:
            Refused: nothing of it is stored; see its subclasses.
        """
        began, label, items = time.perf_counter(), signal.label, 0
        self._counters.add("requests_received", signal=label)
        self._counters.observe("request_size_bytes", len(body), signal=label)
        try:
            self._require_size(len(body))
            accepted = VALIDATORS[signal](body)
            items = accepted.items
            self._counters.add("items_received", items, signal=label)
            self._require_weight(accepted)
            if accepted.items:
                await self._append(
                    Request(
                        signal=signal,
                        body=accepted.body,
                        items=accepted.items,
                        tenant=sender.tenant,
                        received_unix_nano=time.time_ns(),
                        peer=sender.peer,
                        weight=accepted.weight,
                    )
                )
        except Exception as error:
            self._counters.fate("refused", items, signal=label, reason=type(error).__name__)
            raise
        if not items:
            self._counters.add("requests_empty", signal=label)
        self._counters.observe("acknowledgement_duration_seconds", time.perf_counter() - began, signal=label)
        return Receipt()

    def _require_size(self, size: int) -> None:
        if size > self.limit:
            raise TooLarge(f"the body of {size} bytes is larger than {self.limit}")

    def _require_weight(self, accepted: Accepted) -> None:
        if accepted.weight > _UNFOLDED * self.limit:
            raise TooLarge(
                f"resource and scope attributes beside each of {accepted.items} items make {accepted.weight} bytes",
                hint="send smaller batches, or smaller resource attributes",
            )

    def refuse_unread(self, refusal: Refused, signal: Signal | None = None) -> None:
        """Count a request that was refused before there was a body to accept, or before its signal was known."""
        label = signal.label if signal else ""
        self._counters.add("requests_received", signal=label)
        self._counters.fate("refused", 0, signal=label, reason=type(refusal).__name__)
