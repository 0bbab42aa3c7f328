"""Whose a row is where that is not plain: who is named elsewhere, ids that are other things too, what is on paper."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess, plain_client, running
from visits import erased, interaction, send, totals

from collector.erasure.otlp import Sieve
from collector.erasure.paper import Paper
from collector.erasure.person import Names, Own, Person
from collector.journal import segment
from collector.load import envelope
from collector.load.dead_letters import DeadLetters, Letter
from collector.request import Request, Signal

NAMES = Names(frozenset({"user.id", "enduser.id"}), frozenset({"session.id"}))


BROKEN = f"{7:020d}-00000007.json"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One for all: each test has users, sessions and traces of its own. It finds the record of an erasure broken."""
    data = tmp_path_factory.mktemp("whose") / "data"
    (data / "erasures").mkdir(parents=True)
    (data / "erasures" / BROKEN).write_text("{")
    with running(data, "--batch-seconds", "0.1") as started:
        yield started


def test_a_record_that_does_not_read(collector: CollectorProcess) -> None:
    """One erasure whose file is broken is told, and no other waits for it."""
    send(collector, [traces(interaction("event", "of-joe", "joe"))])
    assert erased(collector, "joe")[0]["state"] == "done"
    [reason] = collector.health()["reasons"]
    assert reason.startswith("an erasure waits: ")
    assert f"{BROKEN} does not read" in reason
    (collector.data_dir / "erasures" / BROKEN).unlink()  # it would let the others wait


def test_another_who_is_named_by_the_resource(collector: CollectorProcess) -> None:
    """Where the resource, an event or a second attribute names somebody, a session is shared: their rows stay."""
    shared = [interaction("user_message", f"shared-{n}", "ann") for n in range(3)]
    by_event = interaction("event", "shared-1")
    by_event.events.add(name="e", time_unix_nano=1).attributes.extend(span("", {"user.id": "bob"}).attributes)
    second = interaction("event", "shared-2", enduser__id="bob")
    send(
        collector,
        [
            traces(*shared, by_event, second),
            traces(interaction("user_message", "shared-0"), resource={"user.id": "bob"}),
            logs(log_record("x", trace_id=shared[0].trace_id), resource={"user.id": "bob"}),
        ],
    )
    assert erased(collector, "ann")[0]["removed"] == {"otel_traces": 3}
    kept = "SELECT SessionId AS s FROM otel.otel_traces WHERE startsWith(SessionId, 'shared-') ORDER BY s"
    assert [each["s"] for each in collector.ask(kept)] == ["shared-0", "shared-1", "shared-2"]
    assert collector.ask("SELECT 1 FROM otel.otel_logs WHERE ResourceAttributes['user.id'] = 'bob'")
    assert len(set(totals(collector).values())) == 1


def test_a_user_called_as_something_else(collector: CollectorProcess) -> None:
    """As the tenant, or as a model with a price: that is no trace of the user, and nothing of it is deleted."""
    prices = collector.ask("SELECT count() AS n FROM otel.model_prices")
    model = collector.ask("SELECT model AS m FROM otel.model_prices LIMIT 1")[0]["m"]
    send(collector, [traces(interaction("event", "of-eve", "eve"))])
    before = totals(collector)
    for told in erased(collector, "default", model, everywhere=True):
        assert (told["state"], told["removed"], told["mentions"]) == ("unknown", {}, {})
    assert totals(collector) == before
    assert collector.ask("SELECT count() AS n FROM otel.model_prices") == prices


def test_a_number_or_a_truth(collector: CollectorProcess) -> None:
    """Ids that a sender has as numbers are the same ids as text; one that begins alike is another."""
    spans = [span("numbered", {"user.id": value}) for value in (-7, "-7", -77, True, "true")]
    points = [point("gauge", {"user.id": value}, as_double=1.0) for value in (-7, -77)]
    send(collector, [traces(*spans), metrics(metric("gauge", *points))])
    minus, true = erased(collector, "-7", "true")
    assert minus["removed"] == {"otel_traces": 2, "otel_metrics_gauge": 1}
    assert true["removed"] == {"otel_traces": 2}
    assert collector.ask("SELECT UserId AS u FROM otel.otel_traces WHERE SpanName = 'numbered'") == [{"u": "-77"}]


def sieve(user: str, sessions: tuple[str, ...] = (), traces_: tuple[str, ...] = ()) -> Sieve:
    """Look for a user of these sessions and traces."""
    return Sieve(Person("default", user), NAMES, Own(frozenset(sessions), frozenset(traces_)))


def journaled(folder: Path, request: Any, kind: Signal = Signal.TRACES, tenant: str = "default") -> Path:
    """Write a segment with one request."""
    made = segment.Segment(folder, kind)
    made.append([Request(kind, request.SerializeToString(), 1, tenant, 1, "10.0.0.1")])
    return made.freeze()


def paper(folder: Path) -> Paper:
    """Return what looks at a folder's journal and letters."""
    return Paper(DeadLetters(folder / "dead-letters"), folder)


def test_what_waits(tmp_path: Path) -> None:
    """An erasure does not end while the journal has a span of the user's session, or a number that is the user's id."""
    journaled(tmp_path, traces(interaction("assistant_response", "s-ann", trace="a1" * 16)))
    for user, found, expected in (
        ("ann", sieve("ann", ("s-ann",)), 1),
        ("ann", sieve("ann", (), ("a1" * 16,)), 1),
        ("ann", sieve("ann", ("s-an",), ("a2" * 16, "no hex")), 0),
        ("ann", sieve("ann", tuple(f"s-{n}" for n in range(200)), ("a1" * 16,)), 1),
    ):
        assert paper(tmp_path).count_waiting(Person("default", user), found) == expected
    journaled(tmp_path, traces(span("x", {"user.id": -5}), span("y", {"user.id": -55})))
    assert paper(tmp_path).count_waiting(Person("default", "-5"), sieve("-5")) == 1
    assert paper(tmp_path).count_waiting(Person("other", "-5"), sieve("-5")) == 0


def lettered(folder: Path, path: Path, tenant: str, data: bytes = b"") -> str:
    """Set a segment aside, as it is or as these bytes; return the letter's id."""
    _, frames = segment.read(path)
    identity = f"{path.stem}-000000"
    letter = Letter(identity, "no", 36, path.stem.rpartition("-")[2], tenant, "10.0.0.1", 1)
    DeadLetters(folder / "dead-letters").keep(letter, data or envelope.segment_of(identity, frames))
    path.unlink()
    return identity


def test_letters_of_others(tmp_path: Path) -> None:
    """A letter that cannot be decoded goes where the id is in its bytes, but never another tenant's."""
    ours, theirs = (
        lettered(tmp_path, journaled(tmp_path, traces(span()), tenant=tenant), tenant, b"not a letter about ann")
        for tenant in ("default", "beta")
    )
    ann = Person("default", "ann")
    assert paper(tmp_path).count_letters(ann, sieve("ann")) == 1
    paper(tmp_path).clean_letters(ann, sieve("ann"))
    assert DeadLetters(tmp_path / "dead-letters").ids() == [theirs]
    assert ours != theirs


def test_letters_of_a_session(tmp_path: Path) -> None:
    """What a log record's resource says of the session counts, as in the tables; who is named by an event stays."""
    by_event = interaction("event", "s-ann")
    by_event.events.add(name="e").attributes.extend(span("", {"user.id": "bob"}).attributes)
    kept = lettered(tmp_path, journaled(tmp_path, traces(by_event)), "default")
    gone = logs(log_record("hers"), resource={"session.id": "s-ann"})
    lettered(tmp_path, journaled(tmp_path, gone, Signal.LOGS), "default")
    paper(tmp_path).clean_letters(Person("default", "ann"), sieve("ann", ("s-ann",)))
    assert DeadLetters(tmp_path / "dead-letters").ids() == [kept]


def test_one_who_does_not_stop(collector: CollectorProcess) -> None:
    """An erasure that finds more in every round, as its user goes on, keeps nobody else's waiting."""
    endless = threading.Event()
    base = f"http://{collector.endpoints['http']}/api/erasures"

    def go_on(identity: str) -> None:
        seen = 0
        with plain_client() as client:
            while not endless.wait(0.1):
                told = client.get(f"{base}/{identity}").json()
                if told["rounds"] > seen and told["step"] != "waiting":
                    collector.send(traces(interaction("event", "of-kim", "kim")))
                    seen = told["rounds"]

    send(collector, [traces(interaction("event", "of-lee", "lee"), interaction("event", "of-kim", "kim"))])
    with plain_client() as client:
        first = client.post(base, json={"user_id": "kim"}).json()["id"]
        sender = threading.Thread(target=go_on, args=[first])
        sender.start()
        try:
            assert erased(collector, "lee")[0]["removed"] == {"otel_traces": 1}
            assert client.get(f"{base}/{first}").json()["state"] == "running"
        finally:
            endless.set()
            sender.join()
    [told] = erased(collector, "kim")
    assert (told["id"], told["state"]) == (first, "done")
    assert told["rounds"] > 1
    assert collector.ask("SELECT 1 FROM otel.otel_traces WHERE UserId = 'kim'") == []
