"""After a crash, or long after a lost answer, ClickHouse is asked what it has before a segment is sent again."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import log_record, logs, span, traces

from collector.clickhouse import ClickHouse
from collector.journal import segment
from collector.load import envelope
from collector.load.decoder import Decoder
from collector.load.stored import Stored
from collector.load.tables import Tables
from collector.request import Request, Signal

DAY = 86_400 * 10**9
Make = Callable[..., Request]

TABLES = "SELECT name FROM system.tables WHERE database = 'otel' AND engine_full LIKE '%non_replicated_dedup%'"


@pytest.fixture
def forgetful(engine: Any) -> Iterator[None]:
    """Let every table remember two blocks only; in the end as many as ever."""
    names = [row[0] for row in engine.ask(TABLES)]
    assert {"otel_traces", "otel_logs"} <= set(names)
    for name in names:
        engine.database.command(f"ALTER TABLE otel.{name} MODIFY SETTING non_replicated_deduplication_window = 2")
    yield
    for name in names:
        engine.database.command(f"ALTER TABLE otel.{name} MODIFY SETTING non_replicated_deduplication_window = 10000")


@pytest.fixture
def asking(engine: Any, tmp_path: Path) -> Stored:
    """What asks."""
    tables = Tables(engine.database)
    return Stored(engine.database, tables, Decoder(engine.database, tmp_path))


def body(session: str, days: tuple[int, ...] = (0,)) -> bytes:
    """Return interactions of one session, one on each of these days ago."""
    now = time.time_ns()
    values = {"interaction.type": "event", "session.id": session}
    ended = [now - ago * DAY for ago in days]
    made = (span("e", values, start_time_unix_nano=each, end_time_unix_nano=each) for each in ended)
    return traces(*made).SerializeToString()


def new_session() -> str:
    """Name a session that nobody else uses."""
    return f"s-{secrets.token_hex(4)}"


def later(engine: Any, folder: Path, request_of: Make, count: int = 3) -> None:
    """Insert other segments."""
    for _ in range(count):
        engine.store(folder, request_of(traces(span()).SerializeToString()))


@pytest.mark.usefixtures("forgetful")
def test_a_restart_after_the_window(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any
) -> None:
    """Killed between insert and delete, and so many blocks later that the token is forgotten: nothing is twice."""
    first = new_loading(engine.database, tmp_path)
    session, line = new_session(), f"line-{secrets.token_hex(4)}"
    paths = [
        engine.freeze(first.journal, request_of(body(session, (0, 1)))),
        engine.freeze(first.journal, request_of(logs(log_record(line)).SerializeToString(), Signal.LOGS)),
    ]
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        engine.insert(path)
    later(engine, tmp_path, request_of)
    for _ in range(3):
        engine.store(tmp_path, request_of(logs(log_record()).SerializeToString(), Signal.LOGS))
    for path in paths:
        first.take(path)
    new = engine.freeze(first.journal, request_of(body(session)))
    first.take(new)
    first.loader.start()
    first.wait()
    assert first.loader.stop(20)
    assert stored(paths[0].stem) == 2
    assert stored(new.stem) == 1
    assert stored(paths[1].stem, "otel_logs") == 1
    assert stored.behind(session) == (3, 3)
    assert list(first.journal.iterdir()) == []

    for path, content in zip(paths, contents, strict=True):  # that the token is forgotten is no fancy
        path.write_bytes(content)
        engine.insert(path)
    assert (stored(paths[0].stem), stored(paths[1].stem, "otel_logs")) == (4, 2)


@pytest.mark.parametrize("tokens_lost", [True, False])
def test_after_a_power_cut(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any, *, tokens_lost: bool
) -> None:
    """ClickHouse syncs rows, not tokens: after a power cut a segment may be there whose token is not known.

    To be told so makes the difference: a token that nobody remembers would have the segment stored twice.
    """
    running = new_loading(engine.database, tmp_path, tokens_lost=tokens_lost)
    session, settled = new_session(), threading.Event()
    path = engine.freeze(running.journal, request_of(body(session, (0, 40))))
    engine.insert(path, f"{path.stem}-forgotten")
    running.take(path)
    running.loader.start(when_settled=settled.set)
    running.wait()
    new = engine.freeze(running.journal, request_of(body(session)))
    running.take(new)
    running.wait()
    assert settled.wait(5)
    assert running.loader.stop(20)
    times = 1 if tokens_lost else 2
    assert stored(path.stem) == 2 * times
    assert stored(new.stem) == 1
    assert stored.behind(session) == (2 * times + 1, 2 * times + 1)


def test_settled(engine: Any, tmp_path: Path, new_loading: Any, request_of: Make) -> None:
    """Nothing is settled before all that was left is loaded; then once; at once where nothing was left.

    That the disk is full then ends nothing: it is told again a moment later.
    """
    running, told, refusals = new_loading(engine.database, tmp_path), list[bool](), [OSError(28, "no space left")]
    path = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
    running.take(path)

    def settle() -> None:
        if refusals:
            raise refusals.pop()
        told.append(path.exists())

    running.loader.start(when_settled=settle)
    running.wait()
    running.wait_until(lambda: told)
    assert not refusals
    running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    time.sleep(1.2)  # longer than the loader's time between two looks
    assert running.loader.stop(20)
    assert told == [False]

    again = new_loading(engine.database, tmp_path)
    again.loader.start(when_settled=lambda: told.append(True))
    again.wait_until(lambda: told == [False, True])
    assert again.loader.stop(20)


@pytest.mark.usefixtures("forgetful")
def test_part_of_it_is_there(engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any) -> None:
    """Killed between two partitions, and the token is forgotten: the rest is inserted, and nothing that is there."""
    session = new_session()
    running = new_loading(engine.database, tmp_path)
    path = engine.freeze(running.journal, request_of(body(session, (0, 40, 80))))
    today = engine.freeze(
        tmp_path, request_of(body(session))
    )  # what the crash left: the first partition, under the name
    today.write_bytes(envelope.segment_of(path.stem, segment.read(today)[1]))
    engine.insert(today)
    assert stored(path.stem) == 1
    later(engine, tmp_path, request_of)
    running.take(path)
    running.loader.start()
    running.wait()
    assert running.loader.stop(20)
    days = "SELECT toDate(Timestamp), count() FROM otel.otel_traces WHERE JournalSegment = {n:String} GROUP BY 1"
    assert [count for _, count in engine.ask(days, n=path.stem)] == [1, 1, 1]
    assert stored.behind(session) == (3, 3), "the views behind got the rest as well"


def test_as_long_as_the_token_is_remembered(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any, asking: Stored
) -> None:
    """A segment of which some is there is sent again whole: its token completes it, the tables behind included."""
    session = new_session()
    running = new_loading(engine.database, tmp_path)
    path = engine.freeze(running.journal, request_of(body(session, (0, 40))))
    engine.database.command(f"ALTER TABLE otel.sessions_state ADD CONSTRAINT testing CHECK session_id != '{session}'")
    try:
        with pytest.raises(Exception, match="testing"):
            engine.insert(path)  # the first table has it, those behind have not, as after a crash between the two
    finally:
        engine.database.command("ALTER TABLE otel.sessions_state DROP CONSTRAINT testing")
    assert stored(path.stem) == 2
    assert stored.behind(session)[1] == 0
    later(engine, tmp_path, request_of, 2)
    engine.database.command("OPTIMIZE TABLE otel.otel_traces FINAL")
    assert asking.remembers("traces", path.stem)
    running.take(path)
    running.loader.start()
    running.wait()
    assert running.loader.stop(20)
    assert stored(path.stem) == 2
    assert stored.behind(session) == (2, 2)


@pytest.mark.usefixtures("forgetful")
def test_what_is_remembered(engine: Any, tmp_path: Path, request_of: Make, asking: Stored) -> None:
    """The newest block is remembered for certain, one that others followed is not; one that is not there needs none."""
    first = engine.store(tmp_path, request_of(traces(span()).SerializeToString()))
    assert asking.remembers("traces", first)
    second = engine.store(tmp_path, request_of(traces(span()).SerializeToString()))
    assert asking.remembers("traces", second)
    assert not asking.remembers("traces", first)
    assert asking.remembers("traces", f"{time.time_ns():020d}-00000000-traces")


def test_among(engine: Any, tmp_path: Path, request_of: Make, asking: Stored) -> None:
    """Asked about many, it names those that are there, and only those asked about."""
    names = [engine.store(tmp_path, request_of(traces(span()).SerializeToString())) for _ in range(3)]
    absent = f"{time.time_ns():020d}-00000000-traces"
    assert asking.among("traces", [names[0], names[2], absent]) == {names[0], names[2]}
    assert asking.among("traces", []) == set()
    assert asking.among("logs", names) == set()


def test_asked_while_parts_are_merged(engine: Any, tmp_path: Path, request_of: Make, asking: Stored) -> None:
    """A part that is merged away while somebody asks still counts: what is there is found, however often one asks."""
    name, over = engine.store(tmp_path, request_of(traces(span()).SerializeToString())), threading.Event()
    other = ClickHouse(engine.folder, None)

    def merge() -> None:
        while not over.is_set():
            other.command("INSERT INTO otel.otel_traces (Timestamp, SpanName) VALUES (now64(9), 'merged')")
            other.command("OPTIMIZE TABLE otel.otel_traces FINAL")

    merging = threading.Thread(target=merge)
    merging.start()
    try:
        for _ in range(60):
            assert asking.among("traces", [name]) == {name}
    finally:
        over.set()
        merging.join()
        other.close()


def test_nothing_is_asked_from_day_to_day(engine: Any, troubled: Any, request_of: Make) -> None:
    """New segments are loaded without a question; only the way of each signal is read, once."""
    running, trouble = troubled()
    running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    before = trouble.questions
    for _ in range(3):
        running.take(engine.freeze(running.journal, request_of(traces(span()).SerializeToString())))
    running.wait()
    assert trouble.questions == before <= 3


@pytest.mark.usefixtures("forgetful")
def test_long_after_a_lost_answer(
    engine: Any, troubled: Any, request_of: Make, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer got lost, and when ClickHouse is back the token is forgotten: the segment is not inserted again."""
    monkeypatch.setattr("collector.load.line._SURE", 0.05)
    running, trouble = troubled()
    session = new_session()
    path = engine.freeze(running.journal, request_of(body(session)))
    trouble.lose_answers.set()
    running.take(path)
    running.wait_until(lambda: "reset by peer" in running.loader.last_error)
    trouble.unreachable.set()
    running.wait_until(lambda: "refused" in running.loader.last_error)
    later(engine, running.folder, request_of)
    before = trouble.tries
    trouble.unreachable.clear()
    trouble.lose_answers.clear()
    running.wait()
    assert path.stem not in trouble.tokens[before + 1 :]
    assert stored(path.stem) == 1
    assert stored.behind(session) == (1, 1)


def test_nothing_is_sent_before_it_could_be_asked(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any
) -> None:
    """ClickHouse is away at the start: what was left waits, and is visible, until it could be asked."""

    class Away:
        embedded = True
        away = True
        inserted = 0

        def rows(self, *args: Any) -> Any:
            if self.away:
                raise ConnectionRefusedError(111, "Connection refused")
            return engine.database.rows(*args)

        def insert_file(self, *args: Any) -> None:
            self.inserted += 1
            engine.database.insert_file(*args)

    database = Away()
    running = new_loading(database, tmp_path)
    path = engine.freeze(running.journal, request_of(traces(span()).SerializeToString()))
    running.take(path)
    running.loader.start()
    time.sleep(0.3)
    assert [each.segment for each in running.loader.waiting()] == [path]
    assert database.inserted == 0
    database.away = False
    running.wait()
    assert running.loader.stop(20)
    assert stored(path.stem) == 1
