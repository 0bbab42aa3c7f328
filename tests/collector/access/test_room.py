"""Memory for requests in flight: never more than there is, and nobody takes all of it from others."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field

import pytest
from warp import warp

from collector.access import room
from collector.access.room import Hold, Room
from collector.errors import Retryable, TooLarge

LIMIT = 1000


@dataclass
class Sender:
    """Somebody with a key who sends bodies, and counts what became of them."""

    room: Room
    key: str = ""
    done: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)

    async def send(
        self, size: int, seconds: float, *, declared: bool = True, steps: int = 10, work: float = 0.0
    ) -> None:
        """Send one body that arrives evenly over `seconds`, then takes `work` seconds to be journaled."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        hold = self.room.enter(self.key)
        try:
            async with asyncio.timeout(None) as deadline:
                hold.give_way = lambda: deadline.reschedule(0)
                if declared:
                    await hold.grow(size)
                for step in range(1, steps + 1):
                    await asyncio.sleep(seconds / steps)
                    hold.arrived = size * step // steps
                    await hold.grow(hold.arrived)
            hold.keep(size)
            await asyncio.sleep(work)
        except (Retryable, TimeoutError):
            self.refused += 1
        else:
            self.done += 1
            self.waits.append(loop.time() - begun)
        finally:
            hold.release()

    async def flood(self, at_once: int, size: int, seconds: float, **more: float) -> None:
        """Send bodies over and over, so many at once."""

        async def work() -> None:
            while True:
                await self.send(size, seconds, **more)
                await asyncio.sleep(0.001)

        await asyncio.gather(*(work() for _ in range(at_once)))


async def for_a_while(seconds: float, *senders: Awaitable[None]) -> None:
    """Let senders send."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*senders)


async def filled(place: Room, key: str, *sizes: int) -> list[Hold]:
    """Take room that nobody has to give back."""
    holds = []
    for size in sizes:
        hold = place.enter(key)
        await hold.grow(size)
        holds.append(hold)
    return holds


def test_one_alone_may_have_all_of_it() -> None:
    """Without others a key fills the room to the byte, and what is given back can be had again."""

    async def main() -> None:
        place = Room(LIMIT)
        holds = await filled(place, "a", 400, 400, 200)
        assert place.held == LIMIT
        holds[0].keep(150)
        assert place.held == LIMIT - 250
        await filled(place, "a", 250)
        for hold in holds:
            hold.release()
            hold.release()  # twice does no harm
        assert place.held == 250

    warp(main())


def test_who_finds_no_room_is_refused_after_a_while() -> None:
    """A request waits two seconds at most, then it is to be sent again; what it had is free."""

    async def main() -> None:
        place = Room(LIMIT)
        await filled(place, "a", 900)
        hold = place.enter("a")
        await hold.grow(50)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(Retryable, match="memory") as refusal:
            await hold.grow(200)
        assert (refusal.value.reason, refusal.value.retry_after) == ("memory", 1.0)
        assert 1.9 < asyncio.get_running_loop().time() - begun < 2.2
        assert place.held == 900

    warp(main())


def test_who_waits_comes_in_when_room_is_given_back() -> None:
    """Room that is given back goes to who waits, at once."""

    async def main() -> None:
        place = Room(LIMIT)
        [first] = await filled(place, "a", LIMIT)
        waiting = asyncio.create_task(filled(place, "a", 300))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        first.release()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting.done()
        assert place.held == 300

    warp(main())


def test_what_never_fits_is_too_large() -> None:
    """More than there is at all: sending it again would not help."""
    with pytest.raises(TooLarge, match="--memory-limit-mib"):
        warp(filled(Room(LIMIT), "a", LIMIT + 1))


def test_a_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes when too many wait is refused at once."""
    monkeypatch.setattr(room, "_LONGEST_LINE", 3)

    async def main() -> None:
        place = Room(LIMIT)
        await filled(place, "a", LIMIT)
        waiting = [asyncio.create_task(filled(place, "a", 1)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Retryable):
            await filled(place, "b", 1)
        assert asyncio.get_running_loop().time() == 0
        await asyncio.gather(*waiting, return_exceptions=True)

    warp(main())


def test_who_holds_least_goes_first() -> None:
    """Of several who wait the one with the least comes in first, however late it came; of one key, what has begun."""

    async def main() -> None:
        place, order = Room(LIMIT), list[str]()
        big = await filled(place, "big", 500, 100)
        await filled(place, "middle", 300)
        last = await filled(place, "big", 100)

        async def wait(name: str, key: str, hold: Hold | None = None) -> None:
            hold = hold or place.enter(key)
            await hold.grow(hold.size + 50)
            order.append(name)

        waits = [
            wait("big fresh", "big"),
            wait("big begun", "big", big[1]),
            wait("middle", "middle"),
            wait("small", "small"),
        ]
        tasks = list(map(asyncio.ensure_future, waits))
        await asyncio.sleep(0.05)
        last[0].release()
        await asyncio.sleep(0.01)
        assert order == ["small", "middle"]
        big[0].release()
        await asyncio.gather(*tasks)
        assert order == ["small", "middle", "big begun", "big fresh"]

    warp(main())


def test_what_is_large_is_not_overtaken_for_ever() -> None:
    """A body that needs half of the room comes in although small ones never stop coming."""

    async def main() -> None:
        place = Room(LIMIT)
        small, large = Sender(place), Sender(place)
        flood = asyncio.create_task(small.flood(30, 45, 0.1))
        await asyncio.sleep(1)
        await large.send(500, 0.01)
        assert large.done == 1
        flood.cancel()

    warp(main())


def test_a_newcomer_finds_a_place_beside_a_flood() -> None:
    """A key fills the room with bodies that take long: another one comes in all the same, in a quarter of a second."""

    async def main() -> None:
        place = Room(LIMIT)
        flood, small = Sender(place, "flood"), Sender(place, "small")
        task = asyncio.create_task(flood.flood(50, 100, 0.9))
        await asyncio.sleep(1)
        for _ in range(100):
            await small.send(20, 0.001)
            await asyncio.sleep(0.1)
        task.cancel()
        assert (small.done, small.refused) == (100, 0)
        assert max(small.waits) < 0.25
        assert flood.done > 30

    warp(main())


def test_only_as_much_gives_way_as_is_needed() -> None:
    """The newest of the largest gives way, no more than the newcomer needs, and never below its fair share."""

    async def main() -> None:
        place, gone = Room(LIMIT), list[str]()

        async def holding(key: str, name: str, size: int) -> Hold:
            [hold] = await filled(place, key, size)
            hold.arrived = size
            hold.give_way = lambda: (gone.append(name), asyncio.get_running_loop().call_soon(hold.release))
            await asyncio.sleep(0.001)
            return hold

        for number in range(7):
            await holding("a", f"a{number}", 100)
        await holding("b", "b", 300)
        await filled(place, "c", 150)
        assert gone == ["a6", "a5"]
        await filled(place, "d", 250)
        assert gone == ["a6", "a5", "a4", "a3"]
        with pytest.raises(Retryable):
            await filled(place, "d", 200)  # more than its share
        assert gone == ["a6", "a5", "a4", "a3"]

    warp(main())


def test_what_is_read_does_not_give_way() -> None:
    """A body that is whole is about to be journaled: it is left alone, and so is all of it when nobody needs room."""

    async def main() -> None:
        place = Room(LIMIT)
        flood, other = Sender(place, "flood"), Sender(place, "other")
        tasks = [asyncio.create_task(flood.send(100, 0.001, work=1.5)) for _ in range(10)]
        await asyncio.sleep(0.5)
        await other.send(100, 0.001)
        await asyncio.gather(*tasks)
        assert (flood.done, flood.refused, other.done) == (10, 0, 1)
        assert 0.9 < other.waits[0] < 1.1

    warp(main())


def test_slow_bodies_give_way_to_their_own_key_too() -> None:
    """Bodies promised and dribbled fill the room: what comes in earnest waits about a second, and comes in."""

    async def main() -> None:
        place = Room(LIMIT)
        slow, earnest = Sender(place), Sender(place)
        task = asyncio.create_task(slow.flood(15, 100, 3600, steps=36_000))
        await asyncio.sleep(0.01)
        for _ in range(20):
            await earnest.send(100, 0.01)
        task.cancel()
        assert (earnest.done, earnest.refused) == (20, 0)
        assert max(earnest.waits) < 1.5

    warp(main())


def test_a_slow_body_alone_is_left_alone() -> None:
    """Nobody gives way while there is room."""

    async def main() -> None:
        place = Room(LIMIT)
        slow, others = Sender(place), Sender(place, "others")
        task = asyncio.create_task(slow.send(100, 60))
        await for_a_while(30, others.flood(5, 100, 0.1))
        await task
        assert (slow.done, others.refused) == (1, 0)

    warp(main())


def test_bodies_of_unknown_size_do_not_block_each_other_for_ever() -> None:
    """Many begin at once, together too large: some are refused, most get through, and none hangs."""

    async def main() -> None:
        place = Room(LIMIT)
        sender = Sender(place)
        await asyncio.gather(*(sender.send(200, 0.5, declared=False) for _ in range(30)))
        assert place.held == 0
        assert sender.done >= 5
        assert sender.done + sender.refused == 30

    warp(main())


def test_who_goes_away_leaves_nothing() -> None:
    """A cancelled request leaves the line and gives back its room, also in the moment it was let in."""

    async def main() -> None:
        place = Room(LIMIT)
        [full] = await filled(place, "a", LIMIT)
        sender = Sender(place, "b")
        tasks = [asyncio.create_task(sender.send(400, 0.1)) for _ in range(5)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        full.release()
        tasks[1].cancel()  # granted, and not yet told
        await asyncio.gather(*tasks, return_exceptions=True)
        assert place.held == 0
        assert sender.done == 3
        assert not place._shares
        assert place._waiting == 0

    warp(main())


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_bytes_add_up(seed: int) -> None:
    """Hundreds of senders, sizes, speeds and departures: never more than the limit, at the end nothing is held."""
    choose = random.Random(seed)
    print(f"seed {seed}")

    async def main() -> tuple[int, int]:
        place = Room(LIMIT)
        senders = [Sender(place, f"k{number % 5}") for number in range(40)]
        loop = asyncio.get_running_loop()

        async def life(sender: Sender) -> None:
            for _ in range(15):
                await asyncio.sleep(choose.random())
                size, seconds = choose.randrange(1, 500), choose.choice([0.01, 0.3, 4.0])
                sending = asyncio.create_task(
                    sender.send(size, seconds, declared=choose.random() < 0.5, work=choose.random() / 5)
                )
                if choose.random() < 0.2:
                    loop.call_later(choose.random(), sending.cancel)
                await asyncio.wait([sending])
                assert 0 <= place.held <= LIMIT
                assert place.held == sum(share.held for share in place._shares.values())
                assert place.held == sum(hold.size for share in place._shares.values() for hold in share.holds)

        await asyncio.gather(*map(life, senders))
        assert place.held == 0
        assert not place._shares
        assert place._waiting == 0
        assert place.peak <= LIMIT
        return sum(sender.done for sender in senders), sum(sender.refused for sender in senders)

    done, refused = warp(main())
    assert done > 60
    assert refused > 10
