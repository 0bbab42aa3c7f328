"""Validate, journal, and only then say yes; every request's fate is counted."""

from __future__ import annotations

import asyncio
import json

import pytest
from json_mutants import written
from otlp_builders import span, traces

from collector.errors import Malformed, Retryable, TooLarge
from collector.receive import replies
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
            raise Retryable("the disk is full")
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
    ("body", "full", "error"), [(b"\xff", False, Malformed), (BODY * 50, False, TooLarge), (BODY, True, Retryable)]
)
async def test_refused(body: bytes, full: bool, error: type[Exception]) -> None:
    """What is malformed, too large or not durable is refused, and counted by its reason."""
    shelf, counters = Shelf(full=full), Counters()
    with pytest.raises(error):
        await Intake(shelf.append, len(BODY), counters).accept(Signal.TRACES, body, Sender())
    assert shelf.kept == []
    snapshot = counters.snapshot()
    assert snapshot["requests_received"] == snapshot["requests_refused"] == snapshot[f"refused_{error.__name__}"] == 1
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


async def test_json_takes_the_same_road() -> None:
    """A JSON body is journaled as the very protobuf it stands for, deep values rewritten as always."""
    request = traces(span("one", {"flat": 1}), span("two", {"deep": [[1]]}))
    shelf = Shelf()
    intake = Intake(shelf.append, 10**6, Counters())
    await intake.accept(Signal.TRACES, request.SerializeToString(), Sender())
    await intake.accept(Signal.TRACES, json.dumps(written(request)).encode(), Sender(), replies.JSON)
    first, second = shelf.kept
    assert (first.body, first.items, first.weight) == (second.body, second.items, second.weight)
    assert b"[[1]]" in second.body


@pytest.mark.parametrize("media", [replies.PROTOBUF, replies.JSON])
@pytest.mark.parametrize("many", [1, 2000])
async def test_accepted_in_part(media: str, many: int) -> None:
    """Of a body with bad records the others are journaled; the receipt and the counters say how many are not.

    A large body is taken apart in a thread: the event loop goes on meanwhile.
    """
    request = traces(*(span("good") for _ in range(many)), span("SPOIL"))
    body = json.dumps(written(request)).encode() if media == replies.JSON else request.SerializeToString()
    shelf, counters, turns = Shelf(), Counters(), 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    watching = asyncio.create_task(watch())
    receipt = await Intake(shelf.append, 10**7, counters).accept(
        Signal.TRACES, body.replace(b"SPOIL", b"\xff" * 5), Sender(), media
    )
    watching.cancel()
    assert receipt.rejected == 1
    assert f"spans[{many}].name" in receipt.message
    assert [kept.items for kept in shelf.kept] == [many]
    assert counters.snapshot() == {
        "requests_received": 1,
        "requests_journaled": 1,
        "items_received": many,
        "items_rejected": 1,
    }
    assert (turns > 10) == (many > 1)


@pytest.mark.parametrize("media", [replies.PROTOBUF, replies.JSON])
async def test_nothing_usable(media: str) -> None:
    """A body none of whose records is usable is refused, with their paths, and leaves no trace."""
    request = traces(span("SPOIL"), span("SPOIL"))
    body = json.dumps(written(request)).encode() if media == replies.JSON else request.SerializeToString()
    shelf, counters = Shelf(), Counters()
    with pytest.raises(Malformed, match="nothing in it is usable: spans refused: 2") as refused:
        await Intake(shelf.append, 10**6, counters).accept(
            Signal.TRACES, body.replace(b"SPOIL", b"\xff" * 5), Sender(), media
        )
    assert [path for path, _ in refused.value.violations] == [
        f"resourceSpans[0].scopeSpans[0].spans[{n}].name" for n in (0, 1)
    ]
    assert shelf.kept == []
    assert counters.snapshot() == {"requests_received": 1, "requests_refused": 1, "refused_Malformed": 1}
