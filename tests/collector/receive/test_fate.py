"""Every request that arrives has exactly one fate, also when its sender has gone away."""

from __future__ import annotations

import asyncio

import pytest
from balance import assert_balanced
from otlp_builders import span, traces

from collector.errors import Malformed, Retryable
from collector.receive.fate import Fate
from collector.receive.intake import Intake
from collector.request import Request, Sender, Signal
from collector.telemetry import Counters

BODY = traces(span(), span(), span()).SerializeToString()


class Desk:
    """Takes requests in the journal's place; a test says when they are on disk."""

    def __init__(self) -> None:
        self.outcomes: list[asyncio.Future[None]] = []

    async def append(self, _: Request) -> None:
        """Wait for the test."""
        self.outcomes.append(asyncio.get_running_loop().create_future())
        await self.outcomes[-1]


def health(counters: Counters, pending: int = 0) -> dict[str, object]:
    """Tell what a collector with nothing but these counters would, so many requests of three items waiting."""
    return {"counters": counters.snapshot(), "queue_depth": pending, "items_pending": 3 * pending}


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("waits", [True, False])
async def test_who_does_not_wait_is_counted_all_the_same(works: bool, waits: bool) -> None:
    """Journaled if the disk took it, else refused, once, whether or not the sender is still there."""
    desk, counters = Desk(), Counters()
    task = asyncio.create_task(Intake(desk.append, 10**6, counters).accept(Signal.TRACES, BODY, Sender()))
    await asyncio.sleep(0.01)
    if not waits:
        task.cancel()
    await asyncio.sleep(0)
    (outcome,) = desk.outcomes
    if works:
        outcome.set_result(None)
    else:
        outcome.set_exception(Retryable("the disk is full"))
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert task.cancelled() == (not waits)
    if waits:
        assert isinstance(task.exception(), Retryable | None)
    assert_balanced(health(counters, pending=works))
    snapshot = counters.snapshot()
    assert snapshot.get("requests_journaled", 0) == works
    assert snapshot.get("refused_unavailable", 0) == (not works)
    measured = counters.distributions().get(("acknowledgement_duration_seconds", "traces", ""))
    assert (measured is not None) == works


async def test_a_fault_of_ours_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody expected while a body is read leaves no request without a fate."""
    counters = Counters()

    def broken(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("collector.receive.intake.decode", broken)
    with pytest.raises(RecursionError):
        await Intake(Desk().append, 10**6, counters).accept(Signal.TRACES, BODY, Sender())
    assert_balanced(health(counters))
    assert counters.snapshot()["refused_internal"] == 1


def test_each_end() -> None:
    """However requests end, received is the sum of the ends; records refused out of one are refused items."""
    counters = Counters()
    Fate(counters, None).refused(Malformed("what is this?"))
    Fate(counters, Signal.LOGS).empty()
    Fate(counters, Signal.LOGS).duplicate()
    read = Fate(counters, Signal.TRACES)
    read.read(100, 5, rejected=2)
    read.refused(Retryable("later"))
    assert_balanced(health(counters))
    snapshot = counters.snapshot()
    assert (snapshot["requests_received"], snapshot["items_received"], snapshot["items_refused"]) == (4, 7, 7)


async def test_a_journal_that_ends_without_an_answer() -> None:
    """A request whose outcome is cancelled, as when everything is torn down, was not acknowledged: it is refused."""
    counters = Counters()
    fate = Fate(counters, Signal.TRACES)
    fate.read(100, 1)
    outcome = asyncio.get_running_loop().create_future()
    fate.follow(outcome)
    outcome.cancel()
    await asyncio.sleep(0)
    assert counters.snapshot()["refused_internal"] == 1
    assert_balanced(health(counters))
