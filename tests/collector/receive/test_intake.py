"""Validate, journal, and only then say yes; every request's fate is counted."""

from __future__ import annotations

import pytest
from otlp_builders import span, traces

from collector.errors import Malformed, Retryable, TooLarge
from collector.receive.intake import Intake
from collector.request import Request, Sender, Signal
from collector.telemetry import Counters

BODY = traces(span(), span()).SerializeToString()


class Shelf:
    """Takes requests in the journal's place."""

    def __init__(self, *, full: bool = False) -> None:
        """Refuse everything when `full`."""
        self.full, self.kept = full, list[Request]()

    async def append(self, request: Request) -> None:
        """Keep or refuse."""
        if self.full:
            raise Retryable("the disk is full", reason="disk_full")
        self.kept.append(request)


async def test_accepted() -> None:
    """A good body is journaled with its signal, its count, the tenant and the peer."""
    shelf, counters = Shelf(), Counters()
    await Intake(shelf.append, 10**6, counters).accept(Signal.TRACES, BODY, Sender(peer="10.0.0.1"))
    (kept,) = shelf.kept
    assert (kept.signal, kept.body, kept.items, kept.tenant, kept.peer) == (
        Signal.TRACES,
        BODY,
        2,
        "default",
        "10.0.0.1",
    )
    assert kept.received_unix_nano > 1.7e18
    assert counters.snapshot() == {"requests_received": 1, "requests_journaled": 1, "items_received": 2}


async def test_empty_leaves_no_trace() -> None:
    """An empty request succeeds and is not journaled."""
    shelf, counters = Shelf(), Counters()
    await Intake(shelf.append, 10**6, counters).accept(Signal.LOGS, b"", Sender())
    assert shelf.kept == []
    assert counters.snapshot()["requests_empty"] == 1


@pytest.mark.parametrize(
    ("body", "full", "error", "reason"),
    [
        (b"\xff", False, Malformed, "malformed"),
        (BODY * 50, False, TooLarge, "too_large"),
        (BODY, True, Retryable, "disk_full"),
    ],
)
async def test_refused(body: bytes, full: bool, error: type[Exception], reason: str) -> None:
    """What is malformed, too large or not durable is refused, and counted by its reason."""
    shelf, counters = Shelf(full=full), Counters()
    with pytest.raises(error):
        await Intake(shelf.append, len(BODY), counters).accept(Signal.TRACES, body, Sender())
    assert shelf.kept == []
    snapshot = counters.snapshot()
    assert snapshot["requests_received"] == snapshot["requests_refused"] == snapshot[f"refused_{reason}"] == 1
    assert "requests_journaled" not in snapshot


@pytest.mark.parametrize(("slack", "accepted"), [(0, True), (-1, False)])
async def test_limit(slack: int, accepted: bool) -> None:
    """Exactly the limit passes, one byte more does not."""
    shelf = Shelf()
    intake = Intake(shelf.append, len(BODY) + slack, Counters())
    if accepted:
        await intake.accept(Signal.TRACES, BODY, Sender())
    else:
        with pytest.raises(TooLarge, match=r"larger than"):
            await intake.accept(Signal.TRACES, BODY, Sender())
    assert len(shelf.kept) == accepted
