"""Validate, journal, and only then say yes; every request's fate is counted."""

from __future__ import annotations

import asyncio
import json

import pytest
from json_mutants import written
from otlp_builders import log_record, logs, span, traces

from collector.errors import Malformed, Retryable, TooLarge
from collector.receive import replies
from collector.receive.duplicates import Duplicates
from collector.receive.intake import Intake
from collector.request import Receipt, Request, Sender, Signal
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
    count = counters.snapshot()
    assert count["requests_received"] == count["requests_journaled"] == 1
    assert count["items_received"] == count["items_journaled"] == 2


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


class Waiting:
    """A journal that answers when it is told to."""

    def __init__(self) -> None:
        """Take nothing yet."""
        self.kept: list[Request] = []
        self.outcomes: list[asyncio.Future[None]] = []

    def append(self, request: Request) -> asyncio.Future[None]:
        """Take a request."""
        self.kept.append(request)
        self.outcomes.append(asyncio.get_running_loop().create_future())
        return self.outcomes[-1]


def balance(counters: Counters) -> dict[str, int]:
    """Return the fates; each request has exactly one."""
    count = counters.snapshot()
    fates = {name: count.get(f"requests_{name}", 0) for name in ("refused", "duplicate", "journaled", "empty")}
    assert sum(fates.values()) == count["requests_received"]
    return {name: number for name, number in fates.items() if number}


async def test_sent_again() -> None:
    """An equal body is acknowledged and not stored again; another tenant's and another signal's is."""
    shelf, counters = Shelf(), Counters()
    intake = Intake(shelf.append, 10**6, counters, Duplicates(b"secret", 600, 100))
    for _ in range(3):
        assert await intake.accept(Signal.TRACES, BODY, Sender(peer="10.0.0.1")) == Receipt()
    assert len(shelf.kept) == 1
    assert len(shelf.kept[0].identity) == 16
    await intake.accept(Signal.TRACES, BODY, Sender(tenant="other"))
    assert len(shelf.kept) == 2
    assert balance(counters) == {"journaled": 2, "duplicate": 2}
    assert counters.snapshot()["items_received"] == 4


async def test_equal_bodies_at_the_same_time() -> None:
    """The second waits for the first and shares its fate, good or bad; a refused one is tried again."""
    journal, counters = Waiting(), Counters()
    intake = Intake(journal.append, 10**6, counters, Duplicates(b"secret", 600, 100))
    both = [asyncio.ensure_future(intake.accept(Signal.TRACES, BODY, Sender())) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert len(journal.kept) == 1
    assert not any(each.done() for each in both)
    journal.outcomes[0].set_exception(Retryable("full"))
    assert [type(each) for each in await asyncio.gather(*both, return_exceptions=True)] == [Retryable, Retryable]
    again = [asyncio.ensure_future(intake.accept(Signal.TRACES, BODY, Sender())) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert len(journal.kept) == 2
    journal.outcomes[1].set_result(None)
    assert await asyncio.gather(*again) == [Receipt(), Receipt()]
    assert balance(counters) == {"refused": 1, "duplicate": 2, "journaled": 1}


@pytest.mark.parametrize("stored", [True, False])
async def test_whoever_goes_away_is_counted_and_recognised(stored: bool) -> None:
    """A sender that hangs up before the answer and sends again: what became of the first counts, not who waits."""
    journal, counters = Waiting(), Counters()
    intake = Intake(journal.append, 10**6, counters, Duplicates(b"secret", 600, 100))
    first = asyncio.ensure_future(intake.accept(Signal.TRACES, BODY, Sender()))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    assert first.cancelled()
    assert not journal.outcomes[0].cancelled()
    if stored:
        journal.outcomes[0].set_result(None)
    else:
        journal.outcomes[0].set_exception(Retryable("full"))
    await asyncio.sleep(0.01)
    second = asyncio.ensure_future(intake.accept(Signal.TRACES, BODY, Sender()))
    await asyncio.sleep(0.01)
    assert second.done() == stored
    assert len(journal.kept) == (1 if stored else 2)
    if stored:
        assert balance(counters) == {"journaled": 1, "duplicate": 1}
    else:
        journal.outcomes[1].set_result(None)
        await second
        assert balance(counters) == {"refused": 1, "journaled": 1}


async def test_what_is_refused_or_empty_is_not_remembered() -> None:
    """Bodies that are not stored are looked at each time."""
    shelf, counters = Shelf(), Counters()
    intake = Intake(shelf.append, 10**6, counters, Duplicates(b"secret", 600, 100))
    for _ in range(2):
        with pytest.raises(Malformed):
            await intake.accept(Signal.TRACES, b"\xff", Sender())
        await intake.accept(Signal.TRACES, b"", Sender())
    assert balance(counters) == {"refused": 2, "empty": 2}


@pytest.mark.parametrize(
    ("values", "urgent"),
    [
        ({"interaction.critical": True}, True),
        ({"a": 1, "interaction.critical": True, "z": "z"}, True),
        ({"interaction.critical": False}, False),
        ({"interaction.critical": "true"}, False),
        ({"interaction.critical": 1}, False),
        ({"interaction.critically": True}, False),
        ({"x": "interaction.critical"}, False),
        ({}, False),
    ],
)
async def test_what_is_critical_is_urgent(values: dict[str, object], urgent: bool) -> None:
    """A request with a critical error among its spans or log records is urgent, and no other is."""
    shelf = Shelf()
    intake = Intake(shelf.append, 10**6, Counters())
    await intake.accept(Signal.TRACES, traces(span(), span("x", values), span()).SerializeToString(), Sender())
    await intake.accept(Signal.LOGS, logs(log_record("x", values)).SerializeToString(), Sender())
    assert [each.urgent for each in shelf.kept] == [urgent, urgent]


async def test_a_critical_attribute_that_is_written_otherwise() -> None:
    """Fields in another order are the same attribute: the canonical bytes are looked at, not those that came."""
    shelf = Shelf()
    odd = b"\x12\x02\x10\x01\x0a\x14interaction.critical"
    body = b"\x4a" + bytes([len(odd)]) + odd
    for number in (b"\x12", b"\x12", b"\x0a"):  # a span in a scope in a resource
        body = number + bytes([len(body)]) + body
    await Intake(shelf.append, 10**6, Counters()).accept(Signal.TRACES, body, Sender())
    assert shelf.kept[0].urgent


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
@pytest.mark.parametrize("many", [1, 10_000])
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
        "items_received": many + 1,
        "items_journaled": many,
        "items_refused": 1,
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
    assert counters.snapshot() == {
        "requests_received": 1,
        "requests_refused": 1,
        "refused_malformed": 1,
        "items_refused": 0,
    }
