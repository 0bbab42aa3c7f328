"""A frozen segment becomes rows once, whatever happens in between."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from otlp_builders import log_record, logs, span, traces

from collector.clickhouse import ClickHouse
from collector.errors import SegmentDamaged
from collector.journal import segment
from collector.load.clickhouse_errors import PROOF_TRIES
from collector.load.line import Line
from collector.request import Content, Request, Signal

SECONDS = 40
DAY = 86_400 * 10**9
UNPARSABLE = b"\x0a\x7fabc"

Make = Callable[..., Request]
Start = Callable[..., tuple[Any, Any]]


def spans(session: str, count: int = 3, name: str = "m") -> bytes:
    """Return a traces body of interactions of one session."""
    values = {"interaction.type": "user_message", "session.id": session, "interaction.message": "hello"}
    made = (span(f"{name}{number}", values, trace_id=secrets.token_bytes(16)) for number in range(count))
    return traces(*made).SerializeToString()


def new_session() -> str:
    """Name a session that nobody else uses."""
    return f"s-{secrets.token_hex(4)}"


def test_loads(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """Traces and logs arrive in their tables, the files are gone, the counters say so."""
    paths = [
        engine.freeze(loading.journal, *(request_of(traces(span()).SerializeToString()) for _ in range(3))),
        engine.freeze(loading.journal, request_of(logs(log_record()).SerializeToString(), Signal.LOGS)),
    ]
    for path in paths:
        loading.take(path)
    loading.wait()
    assert stored(paths[0].stem) == 3
    assert stored(paths[1].stem, "otel_logs") == 1
    assert list(loading.journal.iterdir()) == []
    assert list(loading.dead_letters.iterdir()) == []
    assert loading.counters.snapshot() == {"requests_stored": 4, "items_stored": 4, "segments_loaded": 2}


def test_the_rows_say_where_they_came_from(engine: Any, loading: Any, request_of: Make) -> None:
    """Tenant, peer, time of receipt and segment reach each row of their request, and no other's."""
    sent = [
        request_of(traces(*(span() for _ in range(number))).SerializeToString(), tenant=f"t{number}", peer=f"p{number}")
        for number in (1, 3, 2)
    ]
    path = engine.freeze(loading.journal, *sent)
    loading.take(path)
    loading.wait()
    rows = engine.ask(
        "SELECT Tenant, Peer, toUnixTimestamp64Nano(ReceivedAt), count() FROM otel.otel_traces "
        "WHERE JournalSegment = {name:String} GROUP BY ALL",
        name=path.stem,
    )
    assert sorted(rows) == sorted(
        (each.tenant, each.peer, each.received_unix_nano, int(each.tenant[1:])) for each in sent
    )


def test_the_same_segment_twice_is_stored_once(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """A segment loaded again, as after a crash, changes nothing: neither tables nor the aggregates behind views."""
    session = new_session()
    path = engine.freeze(loading.journal, request_of(spans(session)))
    line = engine.freeze(loading.journal, request_of(logs(log_record(session)).SerializeToString(), Signal.LOGS))
    copies = {each: each.read_bytes() for each in (path, line)}
    for _ in range(3):
        for each, content in copies.items():
            each.write_bytes(content)
            loading.take(each)
        loading.wait()
    assert stored(path.stem) == 3
    assert stored(line.stem, "otel_logs") == 1
    assert stored.behind(session) == (3, 3)
    times = """SELECT count() FROM otel.otel_traces_trace_id_ts WHERE TraceId IN
        (SELECT TraceId FROM otel.otel_traces WHERE JournalSegment = {name:String})"""
    assert engine.ask(times, name=path.stem) == [(3,)]


def test_equal_requests_of_different_segments_are_both_stored(engine: Any, loading: Any) -> None:
    """It is the segment that is recognised, not the rows: equal spans sent twice on purpose are two."""
    body = traces(span("equal", trace_id=b"\1" * 16, span_id=b"\2" * 8, start_time_unix_nano=1, end_time_unix_nano=2))
    same = Request(Signal.TRACES, body.SerializeToString(), 1, "t", 5, "equal-peer")
    for _ in range(2):
        loading.take(engine.freeze(loading.journal, same, same))
    loading.wait()
    assert engine.ask("SELECT count() FROM otel.otel_traces WHERE Peer = 'equal-peer'") == [(4,)]


def test_a_segment_of_several_days(engine: Any, loading: Any, request_of: Make) -> None:
    """A segment over many days goes to many partitions under one token; again it is stored once, in each of them."""
    now = time.time_ns()
    times = [now - days * DAY for days in (0, 1, 30, 3650)]
    days = [span("d", start_time_unix_nano=each, end_time_unix_nano=each + 5) for each in times]
    path = engine.freeze(loading.journal, request_of(traces(*days).SerializeToString()))
    content = path.read_bytes()
    for _ in range(2):
        path.write_bytes(content)
        loading.take(path)
        loading.wait()
    sql = "SELECT toUnixTimestamp64Nano(Timestamp) FROM otel.otel_traces WHERE JournalSegment = {name:String}"
    assert sorted(row[0] for row in engine.ask(sql, name=path.stem)) == sorted(times)


def test_more_than_a_hundred_days(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """A sender's clock may be anywhere: more partitions than ClickHouse's own limit of 100 are no error."""
    days = [span("d", start_time_unix_nano=n * DAY, end_time_unix_nano=n * DAY) for n in range(1, 102)]
    path = engine.freeze(loading.journal, request_of(traces(*days).SerializeToString()))
    loading.take(path)
    loading.wait(60)
    assert stored(path.stem) == 101


@pytest.mark.parametrize("code", [252, 159, 210, 999, 60, 497, 241, 0x7FFF])
def test_what_may_pass_is_tried_again(engine: Any, troubled: Start, request_of: Make, stored: Any, code: int) -> None:
    """The server's state, the operator's faults, suspects, codes nobody knows: tried until stored, then forgotten."""
    running, trouble = troubled(code, code)
    path = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
    running.take(path)
    running.wait_until(lambda: running.loader.last_error or not running.loader.waiting())
    assert f"Code: {code}" in running.loader.last_error
    running.wait()
    assert trouble.tokens == [path.stem] * 3
    assert running.loader.last_error == ""
    assert stored(path.stem) == 1
    assert running.dead() == {}


def test_the_operator_is_told_what_to_do(engine: Any, troubled: Start, request_of: Make) -> None:
    """A missing table is said with what to do about it, and nothing is set aside for it, however often it fails."""
    running, trouble = troubled()
    trouble.fault = lambda _token, _data: 60
    path = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
    running.take(path)
    running.wait_until(lambda: trouble.tries > 2 * PROOF_TRIES - 2)
    assert "hint: the tables are not as this version made them" in running.loader.last_error
    assert path.exists()
    assert running.dead() == {}


def test_order_is_kept_while_all_fail(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """Once two segments in a row have failed, no third is tried: the fewer are in doubt the better."""
    running, trouble = troubled(*([210] * 6))
    paths = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(4)]
    for path in paths:
        running.take(path)
    assert [each.segment for each in running.loader.waiting()] == paths
    assert running.loader.is_busy()
    running.wait()
    assert set(trouble.tokens[:7]) == {path.stem for path in paths[:2]}
    assert trouble.tries == 10
    assert [stored(path.stem) for path in paths] == [1, 1, 1, 1]


def test_a_segment_in_trouble_holds_nobody_up(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """What ClickHouse does not take now waits alone; those behind it are loaded, and the trouble stays visible."""
    running, trouble = troubled()
    stuck = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
    trouble.fault = lambda token, _data: 252 if token == stuck.stem else None
    behind = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(3)]
    for path in (stuck, *behind):
        running.take(path)
    running.wait_until(lambda: len(running.loader.waiting()) == 1)
    assert [stored(path.stem) for path in behind] == [1, 1, 1]
    assert "Code: 252" in running.loader.last_error
    trouble.fault = lambda _token, _data: None
    running.wait()
    assert running.loader.last_error == ""


def test_a_lost_answer(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """The rows are there but the connection broke before ClickHouse said so: sent again, stored once."""
    running, trouble = troubled()
    trouble.lose_answers.set()
    session = new_session()
    path = engine.freeze(running.journal, request_of(spans(session)))
    running.take(path)
    running.wait_until(lambda: trouble.tries >= 2)
    trouble.lose_answers.clear()
    running.wait()
    assert stored(path.stem) == 3
    assert stored.behind(session) == (3, 3)


def test_the_same_error_is_logged_once(
    engine: Any, troubled: Start, request_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that keeps coming back is one line, and its end another that says how often it came."""
    caplog.set_level(logging.INFO, "collector.load")
    running, _ = troubled(*([210] * 5))
    running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    lines = [record.message for record in caplog.records]
    assert len([line for line in lines if "Code: 210" in line]) == 1, lines
    assert [line for line in lines if "stores again, after 5 tries" in line], lines


def test_unparsable_requests_are_set_aside(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """What ClickHouse cannot read is set aside with the reason; the good requests of its segment are stored once."""
    good = [request_of(traces(span()).SerializeToString(), peer="good") for _ in range(3)]
    bad = request_of(UNPARSABLE, peer="bad", tenant="acme")
    path = engine.freeze(loading.journal, good[0], bad, good[1], bad, good[2])
    content = path.read_bytes()
    loading.take(path)
    loading.wait()
    assert stored(path.stem) == 3
    assert not path.exists()
    dead = loading.dead()
    assert sorted(dead) == [f"{path.stem}-000001", f"{path.stem}-000003"]
    for letter in dead.values():
        assert "Code: " in letter.reason
        assert "ProtobufRowInputFormat" in letter.reason
        assert (letter.signal, letter.tenant, letter.peer) == ("traces", "acme", "bad")
        assert (letter.received_unix_nano, letter.requests) == (bad.received_unix_nano, 1)
        assert [each.body for each in loading.letters.requests(letter)] == [bad.body]
    assert loading.counters.snapshot() == {
        "requests_dead": 2,
        "items_dead": 2,
        "requests_stored": 3,
        "items_stored": 3,
        "segments_loaded": 1,
        "loads_failed": 1,
    }
    assert list(loading.journal.iterdir()) == [], "the note that it was stored in parts is gone, too"

    path.write_bytes(content)  # a crash in between: all of it happens again
    loading.take(path)
    loading.wait()
    assert stored(path.stem) == 3
    assert sorted(loading.dead()) == sorted(dead)


def test_a_needle_in_a_large_segment(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """One unparsable request among 200 costs some 16 inserts, and not 200."""
    running, trouble = troubled()
    body = traces(span()).SerializeToString()
    sent = [request_of(UNPARSABLE if number == 123 else body) for number in range(200)]
    path = engine.freeze(running.journal, *sent)
    running.take(path)
    running.wait()
    assert stored(path.stem) == 199
    assert list(running.dead()) == [f"{path.stem}-000123"]
    assert trouble.tries <= 1 + 2 * 8
    assert running.counters.snapshot()["requests_dead"] == 1


DEADLY = {
    "kind -1": b"\x0a\x12\x12\x10\x12\x0e\x2a\x01n\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "two values of a oneof": b"\x0a\x13\x12\x11\x12\x0f\x4a\x0d\x0a\x01k\x12\x08\x0a\x04text\x18\x07",
    "a duration that is no number": traces(
        span("n", {"interaction.type": "event", "session.id": "nan", "interaction.duration_ms": "nan"})
    ).SerializeToString(),
    "an endless duration": traces(
        span("n", {"interaction.type": "event", "session.id": "inf", "interaction.duration_ms": float("inf")})
    ).SerializeToString(),
    "a large resource of many spans": traces(
        *(span("n") for _ in range(1200)), resource={"large": "x" * 1_000_000}
    ).SerializeToString(),
}


@pytest.mark.parametrize("body", DEADLY)
def test_no_request_stops_the_pipeline(engine: Any, loading: Any, request_of: Make, stored: Any, body: str) -> None:
    """Whatever ClickHouse makes of a request it must not be tried for ever: the segments behind it get their turn."""
    good = request_of(traces(span()).SerializeToString())
    first = engine.freeze(loading.journal, good, request_of(DEADLY[body]), good)
    behind = engine.freeze(loading.journal, good)
    loading.take(first)
    loading.take(behind)
    loading.wait()
    assert stored(behind.stem) == 1
    sql = "SELECT count() FROM otel.otel_traces WHERE startsWith(JournalSegment, {n:String}) AND SpanName = 'work'"
    assert engine.ask(sql, n=first.stem) == [(2,)], "the good requests of the segment are stored once"


def test_a_suspect_is_taken_apart_after_proof(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """A code nobody knows: tried again, and taken apart once others of its signal pass while it alone does not."""
    running, trouble = troubled()
    trouble.fault = lambda _token, data: 0x7FFF if b"odd-one" in data else None
    sent = [request_of(traces(span(name)).SerializeToString()) for name in ("a", "b", "odd-one", "c")]
    path = engine.freeze(running.journal, *sent)
    running.take(path)
    running.wait_until(lambda: trouble.tries >= PROOF_TRIES)
    assert running.dead() == {}, "nothing else was loaded: it may be ClickHouse's fault"
    running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    assert list(running.dead()) == [f"{path.stem}-000002"]
    assert stored(path.stem) == 3


def test_too_much_at_once_is_halved(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """A segment that is too large for ClickHouse's memory is stored in parts, and nothing of it is set aside."""
    running, trouble = troubled()
    trouble.fault = lambda _token, data: 241 if data.count(b"heavy") > 1 else None
    sent = [request_of(traces(span(f"heavy-{number}")).SerializeToString()) for number in range(5)]
    path = engine.freeze(running.journal, *sent)
    running.take(path)
    for _ in range(2):
        running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    assert stored(path.stem) == 5
    assert running.dead() == {}
    count = running.counters.snapshot()
    assert (count["requests_stored"], count["items_stored"], count["segments_loaded"]) == (7, 7, 3)
    assert "requests_dead" not in count


def test_memory_is_there_again_half_way(engine: Any, troubled: Start, request_of: Make, stored: Any) -> None:
    """Stored in smaller parts than would pass now, and not to its end: it goes on in those parts."""
    running, trouble = troubled()

    def fault(token: str, data: bytes) -> int | None:
        if not token.endswith("-000003"):
            return 241 if data.count(b"heavy") > 1 else None
        trouble.fault = lambda _token, _data: None
        return 210

    trouble.fault = fault
    sent = [request_of(traces(span(f"heavy-{number}")).SerializeToString()) for number in range(4)]
    path = engine.freeze(running.journal, *sent)
    running.take(path)
    for _ in range(2):
        running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    assert trouble.fault is not fault
    assert stored(path.stem) == 4
    assert running.dead() == {}


def test_a_lone_request_is_not_set_aside_without_proof(engine: Any, troubled: Start, request_of: Make) -> None:
    """A view refuses the only request there is: perhaps it would refuse all. So it waits until another one passes."""
    running, trouble = troubled()
    trouble.fault = lambda _token, data: 36 if b"odd-one" in data else None
    path = engine.freeze(running.journal, request_of(traces(span("odd-one")).SerializeToString()))
    running.take(path)
    running.wait_until(lambda: trouble.tries >= 4)
    assert running.dead() == {}
    running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    assert list(running.dead()) == [f"{path.stem}-000000"]


@pytest.fixture
def constraint(engine: Any) -> Iterator[Callable[[str, str], None]]:
    """Let a table refuse rows; in the end it takes all of them again."""
    made = []

    def add(table: str, condition: str) -> None:
        made.append(table)
        engine.database.command(f"ALTER TABLE otel.{table} ADD CONSTRAINT testing CHECK {condition}")

    yield add
    for table in made:
        engine.database.command(f"ALTER TABLE otel.{table} DROP CONSTRAINT IF EXISTS testing")


def test_a_view_that_fails_for_a_while_heals(
    engine: Any, loading: Any, request_of: Make, stored: Any, constraint: Callable[[str, str], None]
) -> None:
    """A table behind the first takes no rows for a while: once it does they are completed, and none is twice."""
    session = new_session()
    constraint("sessions_state", f"session_id != '{session}'")
    path = engine.freeze(loading.journal, request_of(spans(session)))
    loading.take(path)
    loading.wait_until(lambda: "Code: 469" in loading.loader.last_error)
    assert stored(path.stem) == 3, "the first table has it already"
    engine.database.command("ALTER TABLE otel.sessions_state DROP CONSTRAINT testing")
    loading.wait()
    assert stored(path.stem) == 3
    assert stored.behind(session) == (3, 3)
    assert loading.dead() == {}


@pytest.fixture
def picky_view(engine: Any) -> Iterator[None]:
    """Let a view refuse spans called poison…; in the end it is as it was."""
    name = "sessions_state_from_traces"
    sql = engine.ask("SELECT as_select FROM system.tables WHERE database = 'otel' AND name = {n:String}", n=name)[0][0]
    picky = sql.replace("Tenant AS tenant", "if(throwIf(startsWith(SpanName, 'poison')) = 0, Tenant, '') AS tenant", 1)
    assert picky != sql
    engine.database.command(f"ALTER TABLE otel.{name} MODIFY QUERY {picky}")
    yield
    engine.database.command(f"ALTER TABLE otel.{name} MODIFY QUERY {sql}")


def loaded_twice(loading: Any, path: Path) -> Iterator[None]:
    """Load a segment, and again, as after a crash at the last step; go on behind each time."""
    content = path.read_bytes()
    for _ in range(2):
        path.write_bytes(content)
        loading.take(path)
        loading.wait()
        yield


@pytest.mark.usefixtures("picky_view")
def test_a_view_that_refuses_one_request(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """The first table has the segment when a view behind it refuses one request: the others reach the view, once."""
    session = new_session()
    sent = [request_of(spans(session, 2, name)) for name in ("a", "poison")]
    path = engine.freeze(loading.journal, *sent)
    for _ in loaded_twice(loading, path):
        assert stored(path.stem) == 4, "every span is in the first table, once, the refused ones too"
        assert stored.behind(session) == (4, 2)
    (letter,) = loading.dead().values()
    assert letter.id == f"{path.stem}-000001"
    assert letter.stored_in == ("otel.otel_traces",)
    assert "throwIf" in letter.reason
    assert [each.body for each in loading.letters.requests(letter)] == [sent[1].body]


@pytest.mark.usefixtures("picky_view")
def test_a_view_that_refuses_some_of_a_part(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """One request does not parse, so the segment is stored in parts; a view refuses one request of a part."""
    session = new_session()
    bodies = [b"\x0a\x7fabc", *(spans(session, 2, name) for name in ("a", "poison", "b"))]
    path = engine.freeze(loading.journal, *map(request_of, bodies))
    for _ in loaded_twice(loading, path):
        assert stored(path.stem) == 6, "every span is in the first table, once, the refused ones too"
        assert stored.behind(session) == (6, 4)
    letters = loading.dead()
    assert {name.removeprefix(path.stem): letter.stored_in for name, letter in letters.items()} == {
        "-000000": (),
        "-000002": ("otel.otel_traces",),
    }


def test_what_nobody_can_find_is_set_aside_whole(
    engine: Any,
    loading: Any,
    request_of: Make,
    stored: Any,
    constraint: Callable[[str, str], None],
) -> None:
    """A table refuses a segment for good, though its requests pass every view: set aside whole, after proof."""
    session = new_session()
    constraint("sessions_state", f"session_id != '{session}'")
    path = engine.freeze(loading.journal, request_of(spans(session)), request_of(spans(session)))
    loading.take(path)
    loading.wait_until(lambda: "Code: 469" in loading.loader.last_error)
    loading.take(engine.freeze(loading.journal, request_of(traces(span()).SerializeToString())))
    loading.wait()
    (letter,) = loading.dead().values()
    assert (letter.id, letter.requests, letter.stored_in) == (path.stem, 2, ("otel.otel_traces",))
    assert len(loading.letters.requests(letter)) == 2
    assert stored(path.stem) == 6
    assert loading.counters.snapshot()["requests_dead"] == 2


def test_logs_do_not_wait_behind_traces(
    engine: Any, tmp_path: Path, request_of: Make, new_loading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of traces in front of it does not hold up a segment of logs; both keep their order."""
    order = []

    class Watched(Line):
        def passed(self, entry: Any) -> None:
            order.append(entry.signal)
            super().passed(entry)

    monkeypatch.setattr("collector.load.loader.Line", Watched)
    running = new_loading(engine.database, tmp_path)
    for _ in range(4):
        running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    for _ in range(2):
        running.take(engine.freeze(running.journal, request_of(logs(log_record()).SerializeToString(), Signal.LOGS)))
    running.loader.start()
    running.wait()
    assert running.loader.stop(SECONDS)
    assert order == ["traces", "logs", "traces", "logs", "traces", "traces"]


class Noting:
    """A database that notes whether inserts go before readers."""

    def __init__(self, database: Any) -> None:
        """Pass everything on."""
        self._database = database
        self.embedded = database.embedded
        self.rows, self.command = database.rows, database.command
        self.priorities: list[str] = []

    def insert_file(self, table: str, path: Path, input_format: str, settings: dict[str, str]) -> None:
        """Note it, then insert."""
        self.priorities.append(settings.get("priority", ""))
        self._database.insert_file(table, path, input_format, settings)


def test_after_a_long_insert_the_next_ones_go_before_readers(
    engine: Any, tmp_path: Path, request_of: Make, new_loading: Any, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then they share, and a while later they share again."""
    noting = Noting(engine.database)
    running = new_loading(noting, tmp_path)
    running.loader.start()

    def load(long_seconds: float, first_seconds: float) -> None:
        monkeypatch.setattr("collector.load.delivery._LONG_SECONDS", long_seconds)
        monkeypatch.setattr("collector.load.delivery._FIRST_SECONDS", first_seconds)
        path = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
        running.take(path)
        running.wait()
        assert stored(path.stem) == 1

    load(60, 60)
    load(0, 60)  # each takes longer than nothing
    load(0, 60)
    load(0, -1)
    load(60, 60)
    assert running.loader.stop(SECONDS)
    assert noting.priorities == ["", "", "1", "1", ""]


class Meeting:
    """A database whose inserts wait until two are there at the same time."""

    def __init__(self, database: Any, both: threading.Barrier) -> None:
        """Pass everything on but what meets."""
        self._database = database
        self._both = both
        self.embedded = database.embedded
        self.rows, self.command = database.rows, database.command

    def insert_file(self, *args: Any) -> None:
        """Wait for the other one, then insert."""
        self._both.wait(SECONDS)
        self._database.insert_file(*args)


def test_two_at_the_same_time(engine: Any, tmp_path: Path, request_of: Make, new_loading: Any, stored: Any) -> None:
    """Over two connections two segments are inserted at the same time, each once.

    Each waits for another one in the middle of its insert, so one alone would never end.
    """
    both = threading.Barrier(2)
    other = ClickHouse(engine.folder, None)
    running = new_loading(Meeting(engine.database, both), tmp_path, more=[Meeting(other, both)])
    paths = [
        engine.freeze(running.journal, *(request_of(traces(span()).SerializeToString()) for _ in range(3)))
        for _ in range(6)
    ]
    for path in paths:
        assert running.loader.is_busy() == (path != paths[0])
        running.take(path)
    running.loader.start()
    running.wait()
    assert not running.loader.is_busy()
    assert running.loader.stop(SECONDS)
    other.close()
    assert [stored(path.stem) for path in paths] == [3] * 6
    assert running.counters.snapshot() == {"requests_stored": 18, "items_stored": 18, "segments_loaded": 6}


def test_damage_costs_only_what_it_hit(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """A damaged request is set aside with the reason, and cannot be sent again; those around it are loaded, once."""
    body = traces(span(), span()).SerializeToString()
    damaged = engine.freeze(loading.journal, *(request_of(body, items=2) for _ in range(3)))
    content = bytearray(damaged.read_bytes())
    at = content.index(body, content.index(body) + 1)
    content[at + 5] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(SegmentDamaged):
        segment.read(damaged)
    behind = engine.freeze(loading.journal, request_of(body, items=2))
    loading.loader.enqueue(damaged, Content(3, 6))
    loading.loader.enqueue(behind, Content(1, 2))
    loading.wait()
    assert stored(damaged.stem) == 4
    assert stored(behind.stem) == 2
    assert not damaged.exists()
    (letter,) = loading.dead().values()
    assert letter.id.startswith(f"{damaged.stem}-damaged-")
    assert loading.letters.data(letter) in content
    assert bytes(content[at : at + len(body)]) in loading.letters.data(letter)
    assert "is damaged from byte" in letter.reason
    assert letter.damaged
    count = loading.counters.snapshot()
    assert (count["requests_dead"], count["items_dead"]) == (1, 2)
    assert (count["requests_stored"], count["items_stored"]) == (3, 6)


def test_damage_beside_a_request_that_does_not_parse(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """A mended segment that is refused is taken apart as any other; its requests keep their numbers."""
    body = traces(span()).SerializeToString()
    path = engine.freeze(loading.journal, *(request_of(each) for each in (body, body, UNPARSABLE, body)))
    content = bytearray(path.read_bytes())
    content[content.index(body) + 5] ^= 1
    path.write_bytes(content)
    loading.loader.enqueue(path, Content(4, 4))
    loading.wait()
    assert stored(path.stem) == 2
    (damaged,) = (identity for identity in loading.dead() if "-damaged-" in identity)
    assert sorted(loading.dead()) == sorted([damaged, f"{path.stem}-000002"])
    count = loading.counters.snapshot()
    assert (count["requests_dead"], count["items_dead"]) == (2, 2)
    assert (count["requests_stored"], count["items_stored"]) == (2, 2)


def test_what_does_not_read_at_all_is_set_aside_whole(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """Of a segment in which no frame reads the bytes are kept, with the reason, and the next one is loaded."""
    body = traces(span()).SerializeToString()
    damaged = engine.freeze(loading.journal, *(request_of(body) for _ in range(3)))
    content = b"\xff" * damaged.stat().st_size
    damaged.write_bytes(content)
    behind = engine.freeze(loading.journal, request_of(body))
    loading.loader.enqueue(damaged, Content(3, 3))
    loading.take(behind)
    loading.wait()
    assert stored(damaged.stem) == 0
    assert stored(behind.stem) == 1
    assert not damaged.exists()
    letter = loading.dead()[damaged.stem]
    assert loading.letters.data(letter) == content
    assert (letter.damaged, letter.requests) == (True, 3)
    assert "not one of its frames reads" in letter.reason
    count = loading.counters.snapshot()
    assert (count["requests_dead"], count["items_dead"]) == (3, 3)


def test_stop_with_an_unreachable_database(engine: Any, troubled: Start, request_of: Make) -> None:
    """Stopping while ClickHouse does not answer says no, and leaves every segment in the journal, unchanged."""
    running, trouble = troubled()
    trouble.unreachable.set()
    paths = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(2)]
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        running.take(path)
    running.wait_until(lambda: trouble.tries)
    began = time.monotonic()
    assert running.loader.stop(0.2) is False
    assert time.monotonic() - began < 5
    running.loader._thread.join(SECONDS)
    assert not running.loader._thread.is_alive()
    assert "Connection refused" in running.loader.last_error
    assert [path.read_bytes() for path in paths] == contents
    assert [each.segment for each in running.loader.waiting()] == paths


def test_stop_drains(engine: Any, tmp_path: Path, request_of: Make, stored: Any, new_loading: Any) -> None:
    """Stopping loads what waits first, and says yes."""
    running = new_loading(engine.database, tmp_path)
    paths = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(3)]
    for path in paths:
        running.take(path)
    running.loader.start()
    assert running.loader.stop(SECONDS) is True
    assert [stored(path.stem) for path in paths] == [1, 1, 1]
    assert list(running.journal.iterdir()) == []


@pytest.mark.parametrize(
    "odd", ["with space", "with'quote", "with*star", "with{brace}", "with[bracket]", "wörld", "a,b"]
)
def test_odd_folder_names(engine: Any, tmp_path: Path, request_of: Make, stored: Any, odd: str) -> None:
    """A data directory may be called anything: the engine expands no star and takes no quote for an end."""
    folder = tmp_path / odd
    folder.mkdir()
    name = engine.store(folder, request_of(traces(span()).SerializeToString()))
    assert stored(name) == 1


def test_refused_inserts_store_nothing(engine: Any, tmp_path: Path, request_of: Make, stored: Any) -> None:
    """What does not parse leaves no row behind, so that its good requests can be loaded one by one."""
    path = engine.freeze(tmp_path, request_of(traces(span()).SerializeToString()), request_of(UNPARSABLE))
    with pytest.raises(ClickHouseError):
        engine.insert(path)
    assert stored(path.stem) == 0
