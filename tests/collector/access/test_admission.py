"""The way in: key and rate before a byte is read, then room and time; nothing stays behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from warp import warp

from collector.access.admission import Admission
from collector.access.doorman import Doorman
from collector.access.keys import Scope
from collector.access.rates import Rate, Rates
from collector.access.room import Room
from collector.errors import Retryable, Unauthenticated
from collector.telemetry import Counters


def admission(kept: Any, *, rate: Rate | None = None, room: int = 1000, local: bool = True) -> Admission:
    """Build one of which a request may take ten seconds."""
    rates = Rates(kept.ring, rate or Rate(), burst=1)
    return Admission(Doorman(kept.ring, Counters(), local=local), rates, Room(room), 10.0)


def test_a_request(kept: Any, clock: Any) -> None:
    """Room is taken for what was declared, held while the body is worked on, and given back."""
    key, token = kept.add(Scope.INGEST, tenant="beta")
    clock.now += 1

    async def main() -> None:
        way = admission(kept)
        with way.visit({"authorization": f"Bearer {token}"}, "::1", 300) as visit:
            assert (visit.sender.tenant, visit.sender.key, visit.sender.peer) == ("beta", key.id, "::1")
            assert way.room.held == 0
            async with visit.reading():
                assert way.room.held == 300
                await visit.grow(400)
            assert way.room.held == 400
            visit.arrived(350)
            assert way.room.held == 350
        assert way.room.held == 0

    warp(main())


def test_who_is_refused_costs_nothing(kept: Any) -> None:
    """Without a key, or beyond its rate, a request takes no room."""
    locked = admission(kept, local=False)
    with pytest.raises(Unauthenticated):
        locked.visit({}, "", 500)
    limited = admission(kept, rate=Rate(requests=1))
    limited.visit({}, "")
    with pytest.raises(Retryable, match="rate limit"):
        limited.visit({}, "")
    assert locked.room.held == limited.room.held == 0


def test_bytes_are_charged_as_they_turn_out(kept: Any, clock: Any) -> None:
    """A body declared small that inflates is charged for what it became."""

    async def main() -> None:
        way = admission(kept, rate=Rate(bytes=100))
        with way.visit({}, "", 10) as visit:
            async with visit.reading():
                await visit.grow(900)
            visit.arrived(900)
        with pytest.raises(Retryable) as refusal:
            way.visit({}, "")
        assert refusal.value.retry_after == pytest.approx(8)
        clock.now += 8.001
        way.visit({}, "")

    warp(main())


def test_what_does_not_arrive_in_time(kept: Any) -> None:
    """A body that dribbles is refused after ten seconds, to be sent again, and its room is free."""

    async def main() -> None:
        way = admission(kept)

        async def dribble() -> None:
            with way.visit({}, "", 500) as visit:
                async with visit.reading():
                    while True:
                        await asyncio.sleep(1)
                        await visit.grow(1)

        with pytest.raises(Retryable, match=r"within 10 s") as refusal:
            await dribble()
        assert refusal.value.reason == "too_slow"
        assert asyncio.get_running_loop().time() == pytest.approx(10)
        assert way.room.held == 0

    warp(main())


def test_who_gives_way_is_told_why(kept: Any, clock: Any) -> None:
    """A body that makes room for another key's is refused for memory, not for being slow."""
    tokens = [kept.add(Scope.INGEST)[1] for _ in range(2)]
    clock.now += 1

    async def main() -> None:
        way = admission(kept)

        async def send(token: str, size: int, seconds: float) -> float:
            with way.visit({"x-api-key": token}, "", size) as visit:
                async with visit.reading():
                    await asyncio.sleep(seconds)
                visit.arrived(size)
            return asyncio.get_running_loop().time()

        first = asyncio.create_task(send(tokens[0], 1000, 0.9))
        await asyncio.sleep(0.01)
        assert await send(tokens[1], 100, 0.01) < 0.3
        with pytest.raises(Retryable, match="others go first") as refusal:
            await first
        assert refusal.value.reason == "memory"
        assert way.room.held == 0

    warp(main())


@pytest.mark.parametrize("fails", [False, True])
def test_work_outlives_its_caller(kept: Any, fails: bool) -> None:
    """When the caller goes away the journal still has the body: its room is given back when the work is done."""

    async def main() -> None:
        way = admission(kept)
        finished = asyncio.Event()

        async def work() -> None:
            await asyncio.sleep(1)
            finished.set()
            if fails:
                raise Retryable("the disk is full")

        async def handle() -> None:
            with way.visit({}, "", 700) as visit:
                async with visit.reading():
                    pass
                visit.arrived(700)
                await visit.during(work())

        handler = asyncio.create_task(handle())
        await asyncio.sleep(0.5)
        handler.cancel()
        await asyncio.wait([handler])
        assert handler.cancelled()
        assert (finished.is_set(), way.room.held) == (False, 700)
        await asyncio.sleep(0.6)
        assert (finished.is_set(), way.room.held) == (True, 0)

    warp(main())


def test_work_that_fails(kept: Any) -> None:
    """What the work raises reaches the caller, and the room is free."""

    async def main() -> None:
        way = admission(kept)

        async def work() -> None:
            raise Retryable("the disk is full")

        async def handle() -> None:
            with way.visit({}, "", 700) as visit:
                async with visit.reading():
                    pass
                await visit.during(work())

        with pytest.raises(Retryable, match="disk"):
            await handle()
        await asyncio.sleep(0)
        assert way.room.held == 0

    warp(main())
