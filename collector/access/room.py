"""The memory that requests in flight may take, shared fairly between keys.

A request holds room for its body from before it is read until the journal has it. Room is granted at once while there
is some. When there is none, requests stand in line, briefly: who holds least goes first, and of one key what has begun
goes before what has not. While others wait, what is still being read gives way and is refused, to be sent again: first
what arrives so slowly that it would be long, then, for a key that asks for no more than its share, the newest of keys
that hold more than theirs. A share is the room divided by the keys that hold or wait. So one key alone may fill all of
it, but never so that another finds no place.

All of it happens in one event loop; nothing here waits except in `Hold.grow`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from collector.errors import Retryable, TooLarge

_PATIENCE_SECONDS = 2.0  # in line; the Python exporter gives up after 10 s in all
_GIVE_WAY_SECONDS = 0.1  # in line before somebody has to give way: a body that was read is journaled sooner than that
_LONG_SECONDS = 5.0  # a body that will take longer to arrive than this gives way to any other
_GRACE_SECONDS = 1.0  # before that is judged
_LONGEST_LINE = 1000  # requests; what comes then is refused at once
_RETRY_AFTER_SECONDS = 1.0


class Hold:
    """The room of one request.

    Attributes:
        size: bytes it holds.
        arrived: bytes of the body that are there, as far as anybody knows.
        give_way: called when it must make room, while its body is being read; it then has to be released.
    """

    __slots__ = ("_room", "arrived", "give_way", "key", "since", "size")

    def __init__(self, room: Room, key: str) -> None:
        self._room = room
        self.key = key
        self.size = self.arrived = 0
        self.since = 0.0
        self.give_way: Callable[[], None] | None = None

    async def grow(self, size: int) -> None:
        """Return once there is room for `size` bytes in all.

        Raises:
            Retryable: there is none, and waiting did not help; what it had is released.
            TooLarge: there will never be.
        """
        if size > self.size and not self._room.take(self, size - self.size):
            await self._room.line_up(self, size - self.size)

    def is_slow(self, now: float) -> bool:
        """Tell whether the body will take long at its pace."""
        age = now - self.since
        return age > _GRACE_SECONDS and self.arrived * _LONG_SECONDS < self.size * age

    def keep(self, size: int) -> None:
        """The body is read and has `size` bytes: give back the rest, and give way no more."""
        self.give_way = None
        self._room.give_back(self, self.size - size)

    def release(self) -> None:
        """Give back all of it."""
        self.give_way = None
        self._room.give_back(self, self.size)


@dataclass(slots=True, eq=False)
class _Wait:
    hold: Hold
    need: int
    since: float
    granted: asyncio.Future[None]


@dataclass(slots=True)
class _Share:
    """What one key holds and waits for."""

    held: int = 0
    holds: dict[Hold, None] = field(default_factory=dict)  # in the order they came
    begun: deque[_Wait] = field(default_factory=deque)
    fresh: deque[_Wait] = field(default_factory=deque)

    def first(self) -> _Wait | None:
        line = self.begun or self.fresh
        return line[0] if line else None


class Room:
    """So many bytes, for everybody.

    Attributes:
        held: bytes that are taken.
        peak: the most that ever were.
    """

    def __init__(self, limit: int) -> None:
        """Have room for `limit` bytes."""
        self.held = self.peak = 0
        self._limit = limit
        self._shares: dict[str, _Share] = {}
        self._waiting = 0
        self._clock: asyncio.TimerHandle | None = None  # ticks while somebody waits

    def enter(self, key: str) -> Hold:
        """Return a hold of nothing yet; whoever has it must release it."""
        return Hold(self, key)

    def take(self, hold: Hold, more: int) -> bool:
        """Grant more room if there is some and nobody waits for it."""
        if self._waiting or self.held + more > self._limit:
            return False
        self._add(hold, more)
        return True

    async def line_up(self, hold: Hold, more: int) -> None:
        """Wait for more room."""
        if hold.size + more > self._limit:
            raise TooLarge(
                f"the body needs {hold.size + more} bytes of memory, all there is are {self._limit}",
                hint="send smaller batches, or raise --memory-limit-mib",
            )
        if self._waiting >= _LONGEST_LINE:
            raise _tight()
        loop = asyncio.get_running_loop()
        wait = _Wait(hold, more, loop.time(), loop.create_future())
        share = self._shares.setdefault(hold.key, _Share())
        (share.begun if hold.size else share.fresh).append(wait)
        self._waiting += 1
        if not self._clock:
            self._clock = loop.call_later(_GIVE_WAY_SECONDS, self._tick, loop)
        self._serve()
        try:
            await wait.granted
        finally:
            if self._leave(wait):  # the caller was cancelled
                self._serve()

    def give_back(self, hold: Hold, less: int) -> None:
        """Take room back, and let in who waits for it."""
        share = self._shares.get(hold.key)
        if share is None or hold not in share.holds:
            return
        self.held -= less
        share.held -= less
        hold.size -= less
        if not hold.size:
            del share.holds[hold]
            self._forget(hold.key, share)
        if self._waiting:
            self._serve()

    def _add(self, hold: Hold, more: int) -> None:
        share = self._shares.setdefault(hold.key, _Share())
        if not hold.size:
            hold.since = asyncio.get_running_loop().time()
            share.holds[hold] = None
        hold.size += more
        share.held += more
        self.held += more
        self.peak = max(self.peak, self.held)

    def _serve(self) -> None:
        """Let in who is first, as long as there is room; nobody overtakes, else what is large would never come in."""
        while wait := self._next():
            if wait.granted.cancelled():
                self._leave(wait)
                continue
            if self.held + wait.need > self._limit:
                return
            self._leave(wait)
            self._add(wait.hold, wait.need)
            wait.granted.set_result(None)

    def _next(self) -> _Wait | None:
        waiting = [share for share in self._shares.values() if share.begun or share.fresh]
        return min(waiting, key=lambda share: share.held).first() if waiting else None

    def _leave(self, wait: _Wait) -> bool:
        """Take it out of the line; tell whether it stood there."""
        share = self._shares.get(wait.hold.key)
        line = next((line for line in (share.begun, share.fresh) if wait in line), None) if share else None
        if share is None or line is None:
            return False
        line.remove(wait)
        self._waiting -= 1
        self._forget(wait.hold.key, share)
        return True

    def _forget(self, key: str, share: _Share) -> None:
        if not (share.holds or share.begun or share.fresh):
            self._shares.pop(key, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for wait in self._line():
            if now - wait.since >= _PATIENCE_SECONDS and not wait.granted.done():
                self._turn_away(wait)
        if waits := [wait for wait in self._line() if now - wait.since >= _GIVE_WAY_SECONDS]:
            self._make_room(waits, now)
        self._clock = loop.call_later(_GIVE_WAY_SECONDS, self._tick, loop) if self._waiting else None

    def _line(self) -> list[_Wait]:
        return [wait for share in self._shares.values() for line in (share.begun, share.fresh) for wait in line]

    def _turn_away(self, wait: _Wait) -> None:
        """Refuse who waited in vain. What it holds is free at once, else all who wait would give up together."""
        wait.granted.set_exception(_tight())
        self._leave(wait)
        self.give_back(wait.hold, wait.hold.size)
        self._serve()

    def _make_room(self, waits: list[_Wait], now: float) -> None:
        free = self._limit - self.held
        free += _displace(self._slow(now), sum(wait.need for wait in waits) - free)
        first = self._next()
        if first:
            _displace(self._over(first), first.need - free)

    def _slow(self, now: float) -> Iterator[Hold]:
        """Name the slow, the oldest first."""
        reading = [hold for share in self._shares.values() for hold in share.holds if hold.give_way]
        return iter(sorted((hold for hold in reading if hold.is_slow(now)), key=lambda hold: hold.since))

    def _over(self, wait: _Wait) -> Iterator[Hold]:
        """Name who gives way to one that asks for no more than its share: always the newest of who holds most."""
        fair = self._limit // len(self._shares)
        own = self._shares[wait.hold.key].held
        if own and own + wait.need > fair:
            return
        held = {key: share.held for key, share in self._shares.items()}
        reading = {key: [hold for hold in share.holds if hold.give_way] for key, share in self._shares.items()}
        while any(reading.values()):
            key = max((key for key in held if reading[key]), key=lambda key: held[key])
            if held[key] <= max(fair, own):
                return
            hold = reading[key].pop()
            held[key] -= hold.size
            yield hold


def _displace(holds: Iterator[Hold], need: int) -> int:
    """Make as many give way as are needed; return how many bytes that will be."""
    won = 0
    while won < need and (hold := next(holds, None)):
        won += hold.size
        if hold.give_way:
            hold.give_way()
            hold.give_way = None  # once is enough
    return won


def _tight() -> Retryable:
    return Retryable("the collector's memory for requests is taken", retry_after=_RETRY_AFTER_SECONDS, reason="memory")
