"""What both protocols do with a body: validate, journal, and only then say yes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from collector.errors import Refused, TooLarge
from collector.receive.fate import Fate
from collector.receive.validate import VALIDATORS
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

        An empty request, or one of empty envelopes, is a success that leaves no trace, as OTLP asks. Whoever stops
        waiting changes nothing: what the journal has begun to write it keeps.

        Raises:
            Refused: nothing of it is stored; see its subclasses.
        """
        fate = Fate(self._counters, signal)
        try:
            outcome = self._begin(signal, body, sender, fate)
        except Exception as error:
            fate.refused(error)
            raise
        if outcome:
            await asyncio.shield(outcome)
        return Receipt()

    def _begin(self, signal: Signal, body: bytes, sender: Sender, fate: Fate) -> asyncio.Future[None] | None:
        """Validate a body and hand it to the journal; return when it may be acknowledged, None for at once."""
        if len(body) > self.limit:
            raise TooLarge(f"the body of {len(body)} bytes is larger than {self.limit}")
        accepted = VALIDATORS[signal](body)
        fate.read(len(body), accepted.items)
        if accepted.weight > _UNFOLDED * self.limit:
            raise TooLarge(
                f"resource and scope attributes beside each of {accepted.items} items make {accepted.weight} bytes",
                hint="send smaller batches, or smaller resource attributes",
            )
        if not accepted.items:
            fate.empty()
            return None
        outcome = asyncio.ensure_future(
            self._append(
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
        )
        fate.follow(outcome)
        return outcome

    def refuse_unread(self, refusal: Refused, signal: Signal | None = None) -> None:
        """Count a request that was refused before there was a body to accept, or before its signal was known."""
        Fate(self._counters, signal).refused(refusal)
