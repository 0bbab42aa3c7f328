"""What a request passes before it is accepted: key, rate, memory, time.

visit = admission.visit(headers, peer, declared)    who is it, and is it not too much: before a byte is read
async with visit.reading():                         room for the body, and only so long to send it
    … await visit.grow(size) …                      before the body takes more than was declared
visit.arrived(size)
await visit.during(intake.accept(…))                the room is given back when the journal has it
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from collector.access.doorman import Doorman, presented
from collector.access.keys import Scope
from collector.access.rates import Rates
from collector.access.room import Hold, Room
from collector.errors import Retryable
from collector.request import Sender

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Admission:
    """The way in, for every protocol.

    Attributes:
        doorman: asks for the key.
        rates: bounds what a key sends a second.
        room: bounds what all of them have in memory.
        seconds: a request may take to arrive.
    """

    doorman: Doorman
    rates: Rates
    room: Room
    seconds: float

    def visit(self, headers: Mapping[str, str], peer: str, declared: int = 0) -> Visit:
        """Let a request in of which nothing was read yet.

        Args:
            headers: of HTTP, or the metadata of gRPC.
            peer: address it comes from.
            declared: its Content-Length, 0 where it does not say.

        Raises:
            Unauthenticated, Forbidden: see `Doorman.admit`.
            Retryable: the key's rate limit is used up.
        """
        sender = self.doorman.admit(presented(headers), Scope.INGEST, peer)
        self.rates.admit(sender.key, declared)
        return Visit(self, sender, declared)


class Visit:
    """One request on its way in. Leaving the `with` block gives its room back, unless `during` still needs it."""

    __slots__ = ("_admission", "_declared", "_hold", "_working", "sender")

    def __init__(self, admission: Admission, sender: Sender, declared: int) -> None:
        self.sender = sender
        self._admission = admission
        self._declared = declared
        self._hold: Hold = admission.room.enter(sender.key)
        self._working = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: give the room back."""
        if not self._working:
            self._hold.release()

    def reading(self, size: int | None = None) -> Reading:
        """Read the body inside `async with` this; room for what was declared is there, or for `size`.

        Entering and leaving may raise:
            Retryable: there is no room, the body does not arrive in time, or it must give way to others.
            TooLarge: there will never be room.
        """
        return Reading(self._hold, self._declared if size is None else size, self._admission.seconds)

    async def grow(self, size: int) -> None:
        """Have room for a body that has arrived up to `size` bytes; call it before it takes them.

        Raises:
            Retryable, TooLarge: there is none.
        """
        self._hold.arrived = size
        await self._hold.grow(size)

    def arrived(self, size: int) -> None:
        """The body is whole and has `size` bytes."""
        self._hold.keep(size)
        self._admission.rates.settle(self.sender.key, size - self._declared)

    async def during(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await work on the body. It goes on when the caller is cancelled, and so long its room stays taken."""
        task = asyncio.ensure_future(work)
        self._working = True
        task.add_done_callback(lambda _: self._hold.release())
        return await asyncio.shield(task)


class Reading:
    """The time in which a body arrives: bounded, and cut short when others need its room more."""

    __slots__ = ("_deadline", "_displaced", "_hold", "_seconds", "_size")

    def __init__(self, hold: Hold, size: int, seconds: float) -> None:
        self._hold = hold
        self._size = size
        self._seconds = seconds
        self._deadline = asyncio.timeout(seconds)
        self._displaced = False

    async def __aenter__(self) -> None:
        """Begin, with room for what is expected."""
        await self._deadline.__aenter__()
        self._hold.give_way = self._displace
        try:
            await self._hold.grow(self._size)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what cut it short becomes the refusal it is."""
        self._hold.give_way = None
        try:
            await self._deadline.__aexit__(kind, error, trace)
        except TimeoutError as late:
            if self._displaced:
                raise Retryable("the collector's memory is taken, others go first", reason="memory") from late
            raise Retryable(f"the request did not arrive within {self._seconds:g} s", reason="too_slow") from late

    def _displace(self) -> None:
        if not self._deadline.expired():
            self._displaced = True
            self._deadline.reschedule(0)
