"""What both protocols do with a body: validate, journal, and only then say yes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from collector.errors import KeyReused, Refused, TooLarge
from collector.receive import duplicates, replies
from collector.receive.decode import decode, shorten
from collector.receive.duplicates import Claim, Duplicates, Mark
from collector.receive.fate import Fate
from collector.request import Receipt, Request, Sender, Signal
from collector.telemetry import Counters

log = logging.getLogger("collector.receive")

# The span attribute interaction.critical = true in canonical protobuf: KeyValue{key, value{bool_value: true}}.
CRITICAL = b"\x0a\x14interaction.critical\x12\x02\x10\x01"
_UNFOLDED = 4  # times the size limit; a resource stands beside each of its spans in the tables, and in memory before


class Intake:
    """Takes bodies from both protocols; `append` makes a request durable or raises."""

    def __init__(
        self,
        append: Callable[[Request], Awaitable[None]],
        limit: int,
        counters: Counters,
        known: Duplicates = duplicates.OFF,
        field_limit: int = 0,
    ) -> None:
        """Bound bodies to `limit` bytes; those in `known` are acknowledged and not stored again.

        Single texts are cut after `field_limit` bytes, 0 for never.
        """
        self.limit = limit
        self._field_limit = field_limit
        self._known = known
        self._append = append
        self._counters = counters

    def mark(self, signal: Signal, sender: Sender, body: bytes, media: str, name: str = "") -> Mark:
        """Return what a body is recognised by when it is sent again: itself, or the name its sender gave it."""
        return self._known.mark(signal, sender.tenant, body, media, name)

    async def accept(
        self,
        signal: Signal,
        body: bytes,
        sender: Sender,
        media: str = replies.PROTOBUF,
        *,
        mark: Mark | None = None,
        rejected: int = 0,
    ) -> Receipt:
        """Return once the request may be acknowledged; the receipt says what of it was refused all the same.

        An empty request, or one of empty envelopes, is a success that leaves no trace, as OTLP asks. A body that was
        accepted before, or is in flight, shares the fate of the first. Whoever stops waiting changes nothing: what the
        journal has begun to write it keeps.

        Args:
            signal: what is in it.
            body: as it came, or what was made of it.
            sender: who sends it.
            media: the encoding of the body.
            mark: what it is recognised by, if not by this body.
            rejected: items that were left out of this body; the sender is told by the caller.

        Raises:
            Refused: nothing of it is stored; see its subclasses.
        """
        fate = Fate(self._counters, signal)
        mark = mark or self.mark(signal, sender, body, media)
        try:
            earlier = self._known.find(mark)
        except KeyReused as refusal:
            fate.refused(refusal)
            raise
        if earlier:
            fate.duplicate()
            return await earlier
        claim = self._known.claim(mark)
        try:
            receipt, outcome = await self._begin(
                signal, body, sender, media=media, claim=claim, fate=fate, rejected=rejected
            )
        except BaseException as error:
            claim.refused(error)
            fate.refused(error)
            raise
        del body  # its memory, while the journal writes: what is journaled is a copy
        if outcome:
            await asyncio.shield(outcome)
        return receipt

    async def _begin(
        self, signal: Signal, body: bytes, sender: Sender, *, media: str, claim: Claim, fate: Fate, rejected: int
    ) -> tuple[Receipt, asyncio.Future[None] | None]:
        """Validate a body and hand it to the journal; return the answer, and when it may be given, None for at once."""
        if len(body) > self.limit:
            raise TooLarge(f"the body of {len(body)} bytes is larger than {self.limit}")
        accepted, receipt = await decode(signal, body, media)
        fate.read(len(body), accepted.items, receipt.rejected + rejected)
        if accepted.weight > _UNFOLDED * self.limit:
            raise TooLarge(
                f"resource and scope attributes beside each of {accepted.items} items make {accepted.weight} bytes",
                hint="send smaller batches, or smaller resource attributes",
            )
        if self._field_limit:
            accepted = await shorten(signal, accepted, self._field_limit)
        if not accepted.items:
            claim.empty(receipt)
            fate.empty()
            return receipt, None
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
                    urgent=CRITICAL in accepted.body,
                    identity=duplicates.identity(claim.mark, receipt),
                )
            )
        )
        claim.follow(outcome, receipt)
        if receipt.rejected:  # the sender is told, but few SDKs look
            log.warning("a request from %s is stored in part: %s", sender.peer, receipt.message)
        fate.follow(outcome)
        return receipt, outcome

    def refuse_unread(self, refusal: Refused, signal: Signal | None = None) -> None:
        """Count a request that was refused before there was a body to accept, or before its signal was known."""
        Fate(self._counters, signal).refused(refusal)

    def refuse_read(self, refusal: Refused, signal: Signal, *, size: int, items: int, rejected: int) -> None:
        """Count a body that was read, and is refused whole because `rejected` of its items are; `items` are not."""
        fate = Fate(self._counters, signal)
        fate.read(size, items, rejected)
        fate.refused(refusal)
