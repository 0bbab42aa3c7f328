"""What both protocols do with a body: validate, journal, and only then say yes."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from collector.errors import Refused, TooLarge
from collector.receive import replies
from collector.receive.decode import decode
from collector.request import Receipt, Request, Sender, Signal
from collector.telemetry import Counters

log = logging.getLogger("collector.receive")

_UNFOLDED = 4  # times the size limit; a resource stands beside each of its spans in the tables, and in memory before


class Intake:
    """Takes bodies from both protocols; `append` makes a request durable or raises."""

    def __init__(self, append: Callable[[Request], Awaitable[None]], limit: int, counters: Counters) -> None:
        """Bound bodies to `limit` bytes."""
        self.limit = limit
        self._append = append
        self._counters = counters

    async def accept(self, signal: Signal, body: bytes, sender: Sender, media: str = replies.PROTOBUF) -> Receipt:
        """Return once the request may be acknowledged; the receipt says what of it was refused all the same.

        An empty request, or one of empty envelopes, is a success that leaves no trace, as OTLP asks.

        Raises:
            Refused: nothing of it is stored; see its subclasses.
        """
        self._counters.add("requests_received")
        try:
            if len(body) > self.limit:
                raise TooLarge(f"the body of {len(body)} bytes is larger than {self.limit}")
            accepted, receipt = await decode(signal, body, media)
            if accepted.weight > _UNFOLDED * self.limit:
                raise TooLarge(
                    f"resource and scope attributes beside each of {accepted.items} items make {accepted.weight} bytes",
                    hint="send smaller batches, or smaller resource attributes",
                )
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
        except Refused as refusal:
            self._count_refused(refusal)
            raise
        self._counters.add("requests_journaled" if accepted.items else "requests_empty")
        self._counters.add("items_received", accepted.items)
        if receipt.rejected:  # the sender is told, but few SDKs look
            self._counters.add("items_rejected", receipt.rejected)
            log.warning("a request from %s was stored in part: %s", sender.peer, receipt.message)
        return receipt

    def refuse_unread(self, refusal: Refused) -> None:
        """Count a request that was refused before there was a body to accept."""
        self._counters.add("requests_received")
        self._count_refused(refusal)

    def _count_refused(self, refusal: Refused) -> None:
        self._counters.add("requests_refused")
        self._counters.add(f"refused_{type(refusal).__name__}")
