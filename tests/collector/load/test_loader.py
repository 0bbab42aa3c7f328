"""A frozen segment becomes rows once, whatever happens in between."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from otlp_builders import log_record, logs, span, traces

from collector.errors import SegmentDamaged
from collector.journal import segment
from collector.load.loader import Loader
from collector.request import Request, Signal
from collector.telemetry import Counters

SECONDS = 20
DAY = 86_400 * 10**9

Make = Callable[..., Request]


class Trouble:
    """The database, as seen by the loader, with errors in front of it that a real one gives."""

    def __init__(self, database: Any, *codes: int) -> None:
        """Fail once with each of these codes, then pass everything on."""
        self._database = database
        self.codes = list(codes)
        self.tries = 0
        self.embedded = database.embedded
        self.unreachable = threading.Event()

    def insert_file(self, *args: Any) -> None:
        """Fail or pass on."""
        self.tries += 1
        if self.unreachable.is_set():
            raise ConnectionRefusedError(111, "Connection refused")
        if self.codes:
            code = self.codes.pop(0)
            raise DatabaseError(f"Code: {code}. DB::Exception: not now", code=code)
        self._database.insert_file(*args)

    def rows(self, *args: Any) -> Any:
        """Pass a question on."""
        return self._database.rows(*args)


class Loading:
    """A loader at work on the real engine."""

    def __init__(self, database: Any, folder: Path) -> None:
        """Keep the journal and the dead letters in `folder`."""
        self.journal, self.dead_letters = folder / "journal", folder / "dead-letters"
        self.journal.mkdir(exist_ok=True)
        self.counters = Counters()
        self.loader = Loader(database, segment.read, self.dead_letters, folder / "scratch", self.counters)

    def take(self, path: Path) -> None:
        """Hand over a frozen segment."""
        self.loader.enqueue(path, segment.count(path))

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until everything handed over is done with."""
        deadline = time.monotonic() + seconds
        while self.loader.waiting():
            assert time.monotonic() < deadline, f"still waiting: {self.loader.last_error}"
            assert self.loader._thread.is_alive(), "the loader's thread ended"
            time.sleep(0.01)

    def dead(self) -> dict[str, str]:
        """Return what was set aside, with the reasons."""
        return {
            path.name.removesuffix(".json"): json.loads(path.read_text())["reason"]
            for path in self.dead_letters.glob("*.json")
        }


@pytest.fixture
def loading(engine: Any, tmp_path: Path) -> Iterator[Loading]:
    """A running loader; in the end nothing of it is left."""
    running = Loading(engine.database, tmp_path)
    running.loader.start()
    yield running
    assert running.loader.stop(SECONDS)


@contextlib.contextmanager
def troubled(engine: Any, folder: Path, *codes: int) -> Iterator[tuple[Loading, Trouble]]:
    """Run a loader whose database fails at first."""
    trouble = Trouble(engine.database, *codes)
    running = Loading(trouble, folder)
    running.loader.start()
    try:
        yield running, trouble
    finally:
        running.loader.stop(0)


def stored(engine: Any, name: str, table: str = "otel_traces") -> int:
    """Count the rows of a segment, those of requests loaded one by one included."""
    sql = f"SELECT count() FROM otel.{table} WHERE startsWith(JournalSegment, {{name:String}})"
    return int(engine.ask(sql, name=name)[0][0])


def session_spans(session: str, count: int = 3) -> bytes:
    """Return a traces body of interactions of one session."""
    values = {"interaction.type": "user_message", "session.id": session, "interaction.message": "hello"}
    return traces(*(span(f"m{number}", values, trace_id=b"\7" * 16) for number in range(count))).SerializeToString()


def test_loads(engine: Any, loading: Loading, request_of: Make) -> None:
    """Traces and logs arrive in their tables, the files are gone, the counters say so."""
    paths = [
        engine.freeze(loading.journal, *(request_of(traces(span()).SerializeToString()) for _ in range(3))),
        engine.freeze(loading.journal, request_of(logs(log_record()).SerializeToString(), Signal.LOGS)),
    ]
    for path in paths:
        loading.take(path)
    loading.wait()
    assert stored(engine, paths[0].stem) == 3
    assert stored(engine, paths[1].stem, "otel_logs") == 1
    assert list(loading.journal.iterdir()) == []
    assert list(loading.dead_letters.iterdir()) == []
    assert loading.counters.snapshot() == {"requests_stored": 4, "segments_loaded": 2}


def test_the_rows_say_where_they_came_from(engine: Any, loading: Loading, request_of: Make) -> None:
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


def test_the_same_segment_twice_is_stored_once(engine: Any, loading: Loading, request_of: Make) -> None:
    """A segment loaded again, as after a crash, changes nothing: neither tables nor the aggregates behind views."""
    session = f"twice-{secrets.token_hex(4)}"
    path = engine.freeze(loading.journal, request_of(session_spans(session)))
    line = engine.freeze(loading.journal, request_of(logs(log_record(session)).SerializeToString(), Signal.LOGS))
    copies = {each: each.read_bytes() for each in (path, line)}
    before = engine.ask("SELECT count() FROM otel.otel_traces_trace_id_ts")[0][0]
    for _ in range(3):
        for each, content in copies.items():
            each.write_bytes(content)
            loading.take(each)
        loading.wait()
    assert stored(engine, path.stem) == 3
    assert stored(engine, line.stem, "otel_logs") == 1
    for table, expected in (("interactions", 3), ("sessions_state", 1)):
        sql = f"SELECT count() FROM otel.{table} WHERE session_id = {{session:String}}"
        assert engine.ask(sql, session=session)[0][0] == expected, table
    sql = "SELECT interactions, user_messages FROM otel.sessions WHERE session_id = {session:String}"
    assert engine.ask(sql, session=session) == [(3, 3)]
    assert engine.ask("SELECT count() FROM otel.otel_traces_trace_id_ts")[0][0] == before + 1


def test_equal_requests_of_different_segments_are_both_stored(engine: Any, loading: Loading) -> None:
    """It is the segment that is recognised, not the rows: equal spans sent twice on purpose are two."""
    body = traces(span("equal", trace_id=b"\1" * 16, span_id=b"\2" * 8, start_time_unix_nano=1, end_time_unix_nano=2))
    same = Request(Signal.TRACES, body.SerializeToString(), 1, "t", 5, "equal-peer")
    for _ in range(2):
        loading.take(engine.freeze(loading.journal, same, same))
    loading.wait()
    assert engine.ask("SELECT count() FROM otel.otel_traces WHERE Peer = 'equal-peer'") == [(4,)]


def test_a_segment_of_several_days(engine: Any, loading: Loading, request_of: Make) -> None:
    """A segment over many days goes to many partitions under one token; again it is stored once, in each of them."""
    now = time.time_ns()
    times = [now - days * DAY for days in (0, 1, 2, 30, 365, 3650)]
    spans = [span("d", start_time_unix_nano=each, end_time_unix_nano=each + 5) for each in times]
    path = engine.freeze(loading.journal, request_of(traces(*spans).SerializeToString()))
    content = path.read_bytes()
    for _ in range(2):
        path.write_bytes(content)
        loading.take(path)
        loading.wait()
    sql = "SELECT toUnixTimestamp64Nano(Timestamp) FROM otel.otel_traces WHERE JournalSegment = {name:String}"
    assert sorted(row[0] for row in engine.ask(sql, name=path.stem)) == sorted(times)


def test_more_than_a_hundred_days(engine: Any, loading: Loading, request_of: Make) -> None:
    """A sender's clock may be anywhere: more partitions than ClickHouse's own limit of 100 are no error."""
    spans = [span("d", start_time_unix_nano=n * DAY, end_time_unix_nano=n * DAY) for n in range(1, 106)]
    path = engine.freeze(loading.journal, request_of(traces(*spans).SerializeToString()))
    loading.take(path)
    loading.wait(60)
    assert stored(engine, path.stem) == 105


@pytest.mark.parametrize("code", [241, 252, 159, 210, 999])
def test_a_transient_error_is_retried(engine: Any, tmp_path: Path, request_of: Make, code: int) -> None:
    """Memory, too many parts, timeouts, the network: tried again until stored, once, and the error is forgotten."""
    with troubled(engine, tmp_path, code, code) as (running, trouble):
        path = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
        running.take(path)
        running.wait()
        assert trouble.tries == 3
        assert running.loader.last_error == ""
    assert stored(engine, path.stem) == 1
    assert running.dead() == {}


def test_order_is_kept_while_retrying(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Segments behind one that is retried wait for their turn."""
    with troubled(engine, tmp_path, 241, 241) as (running, trouble):
        paths = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(3)]
        for path in paths:
            running.take(path)
        assert [each.segment for each in running.loader.waiting()] == paths
        assert running.loader.is_busy()
        running.wait()
        assert trouble.tries == 5
    assert [stored(engine, path.stem) for path in paths] == [1, 1, 1]


def test_an_unparsable_request_is_set_aside(engine: Any, loading: Loading, request_of: Make) -> None:
    """What ClickHouse cannot read is set aside with the reason; the good requests of its segment are stored once."""
    good = [request_of(traces(span()).SerializeToString(), peer="good") for _ in range(3)]
    bad = request_of(b"\x0a\x7fabc", peer="bad")
    path = engine.freeze(loading.journal, good[0], bad, good[1], bad, good[2])
    content = path.read_bytes()
    loading.take(path)
    loading.wait()
    assert stored(engine, path.stem) == 3
    assert not path.exists()
    dead = loading.dead()
    assert len(dead) == 2
    assert all("Code: " in reason for reason in dead.values())
    for name in dead:
        assert bad.body in (loading.dead_letters / name).read_bytes()
    assert loading.counters.snapshot() == {"requests_dead": 2, "requests_stored": 3, "segments_loaded": 1}

    path.write_bytes(content)  # a crash in between: all of it happens again
    loading.take(path)
    loading.wait()
    assert stored(engine, path.stem) == 3
    assert loading.dead() == dead


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
def test_no_request_stops_the_pipeline(engine: Any, tmp_path: Path, request_of: Make, body: str) -> None:
    """Whatever ClickHouse makes of a request it must not be tried for ever: the segments behind it get their turn."""
    running = Loading(engine.database, tmp_path)
    running.loader.start()
    try:
        good = request_of(traces(span()).SerializeToString())
        first = engine.freeze(running.journal, good, request_of(DEADLY[body]), good)
        behind = engine.freeze(running.journal, good)
        running.take(first)
        running.take(behind)
        running.wait(8)
        assert stored(engine, behind.stem) == 1
        kept = engine.ask(
            "SELECT count() FROM otel.otel_traces WHERE startsWith(JournalSegment, {name:String}) "
            "AND SpanName = 'work'",
            name=first.stem,
        )
        assert kept == [(2,)], "the good requests of the segment are stored once"
    finally:
        running.loader.stop(0)


def test_trouble_while_requests_are_loaded_singly(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Stopping while an unparsable segment is taken apart leaves it in the journal; the next start finishes it."""
    good, bad = request_of(traces(span()).SerializeToString()), request_of(b"\x0a\x7fabc")
    with troubled(engine, tmp_path) as (running, trouble):
        path = engine.freeze(running.journal, good, bad, good)
        content = path.read_bytes()
        trouble.codes = [33]
        running.take(path)
        deadline = time.monotonic() + SECONDS
        while trouble.tries < 2:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        trouble.unreachable.set()
        running.loader.stop(0)
        running.loader._thread.join(SECONDS)
        assert not running.loader._thread.is_alive()
    if path.exists():
        assert path.read_bytes() == content
        again = Loading(engine.database, tmp_path)
        again.loader.start()
        again.take(path)
        again.wait()
        assert again.loader.stop(SECONDS)
    assert stored(engine, path.stem) == 2
    assert len(running.dead()) == 1
    assert {each.name.removesuffix(".json") for each in running.dead_letters.iterdir()} == set(running.dead())


def test_a_damaged_segment_is_set_aside(engine: Any, loading: Loading, request_of: Make) -> None:
    """A segment that does not read back is set aside whole, with the reason, and the next one is loaded."""
    damaged = engine.freeze(loading.journal, request_of(traces(span()).SerializeToString()))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(SegmentDamaged):
        segment.read(damaged)
    behind = engine.freeze(loading.journal, request_of(traces(span()).SerializeToString()))
    loading.take(damaged)
    loading.take(behind)
    loading.wait()
    assert stored(engine, damaged.stem) == 0
    assert stored(engine, behind.stem) == 1
    assert not damaged.exists()
    assert (loading.dead_letters / damaged.name).read_bytes() == content
    assert "damaged at byte" in loading.dead()[damaged.name]


def test_the_intact_requests_of_a_damaged_segment_are_not_lost(engine: Any, loading: Loading, request_of: Make) -> None:
    """Damage in one frame must not take the acknowledged frames before it out of reach: stored, or kept as they are."""
    path = engine.freeze(loading.journal, *(request_of(session_spans(f"s{number}", 1)) for number in range(3)))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    loading.take(path)
    loading.wait()
    kept = b"".join(each.read_bytes() for each in loading.dead_letters.iterdir())
    assert stored(engine, path.stem) == 2 or (b"s0" in kept and b"s1" in kept)


def test_stop_with_an_unreachable_database(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Stopping while ClickHouse does not answer says no, and leaves every segment in the journal, unchanged."""
    with troubled(engine, tmp_path) as (running, trouble):
        trouble.unreachable.set()
        paths = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(2)]
        contents = [path.read_bytes() for path in paths]
        for path in paths:
            running.take(path)
        deadline = time.monotonic() + SECONDS
        while not trouble.tries:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        began = time.monotonic()
        assert running.loader.stop(0.2) is False
        assert time.monotonic() - began < 5
        running.loader._thread.join(SECONDS)
        assert not running.loader._thread.is_alive()
        assert "Connection refused" in running.loader.last_error
        assert [path.read_bytes() for path in paths] == contents
        assert [each.segment for each in running.loader.waiting()] == paths


def test_stop_drains(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Stopping loads what waits first, and says yes."""
    running = Loading(engine.database, tmp_path)
    paths = [engine.freeze(running.journal, request_of(traces(span()).SerializeToString())) for _ in range(3)]
    for path in paths:
        running.take(path)
    running.loader.start()
    assert running.loader.stop(SECONDS) is True
    assert [stored(engine, path.stem) for path in paths] == [1, 1, 1]
    assert list(running.journal.iterdir()) == []


@pytest.mark.parametrize(
    "odd", ["with space", "with'quote", "with*star", "with{brace}", "with[bracket]", "wörld", "a,b"]
)
def test_odd_folder_names(engine: Any, tmp_path: Path, request_of: Make, odd: str) -> None:
    """A data directory may be called anything: the engine expands no star and takes no quote for an end."""
    folder = tmp_path / odd
    folder.mkdir()
    name = engine.store(folder, request_of(traces(span()).SerializeToString()))
    assert stored(engine, name) == 1


def test_refused_inserts_store_nothing(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """What does not parse leaves no row behind, so that its good requests can be loaded one by one."""
    path = engine.freeze(tmp_path, request_of(traces(span()).SerializeToString()), request_of(b"\x0a\x7fabc"))
    with pytest.raises(ClickHouseError):
        engine.insert(path)
    assert stored(engine, path.stem) == 0
