"""A crash came between a table and the aggregates behind it, and no token is remembered: they get what they lack."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import span, traces

from collector.journal import segment
from collector.load import envelope
from collector.load.behind import Behind
from collector.load.dead_letters import Letter
from collector.load.decoder import Decoder
from collector.load.note import Note
from collector.load.stored import Stored
from collector.load.tables import Tables
from collector.request import Request

Make = Callable[..., Request]
DAY = 86_400 * 10**9
AGGREGATES = ("sessions_state", "otel_traces_trace_id_ts", "daily_stats_state")


def body(session: str, days: Sequence[int] = (0,), spans: int = 1) -> bytes:
    """Return answers of one session, so many on each of these days ago, each of them with tokens."""
    values = {"interaction.type": "assistant_response", "session.id": session, "gen_ai.usage.input_tokens": 7}
    now = time.time_ns()
    trace = session.encode().ljust(16)[:16]
    made = (
        span("a", values, trace_id=trace, start_time_unix_nano=now - ago * DAY, end_time_unix_nano=now - ago * DAY)
        for ago in days
        for _ in range(spans)
    )
    return traces(*made, resource={"service.name": session}).SerializeToString()


@pytest.fixture
def session() -> str:
    """Name a session that nobody else uses."""
    return f"s-{secrets.token_hex(6)}"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where segments wait."""
    folder = tmp_path / "journal"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def cut_off(engine: Any, *tables: str) -> Iterator[None]:
    """Let these aggregates get nothing, as where a crash comes before them."""
    for table in tables:
        engine.database.command(f"ALTER TABLE otel.{table} ADD CONSTRAINT cut_off CHECK sleepEachRow(0) = 1")
    try:
        with pytest.raises(Exception, match="cut_off"):
            yield
    finally:
        for table in tables:
            engine.database.command(f"ALTER TABLE otel.{table} DROP CONSTRAINT cut_off")


def start_after_a_power_cut(new_loading: Any, engine: Any, folder: Path, *paths: Path) -> None:
    """Load what a process left whose machine lost its power."""
    running = new_loading(engine.database, folder, tokens_lost=True)
    for path in paths:
        running.take(path)
    running.loader.start()
    running.wait()
    assert running.loader.stop(20)
    assert running.left() == []


def known(engine: Any, session: str) -> tuple[int, int, int]:
    """Return interactions and input tokens that are known of a session, and the days its trace spans."""
    sums = "SELECT sum(interactions), sum(input_tokens) FROM otel.sessions WHERE session_id = {session:String}"
    days = (
        "SELECT dateDiff('day', min(Start), max(End)) + 1 FROM otel.otel_traces_trace_id_ts WHERE TraceId = {id:String}"
    )
    trace = session.encode().ljust(16)[:16].hex()
    return (*engine.ask(sums, session=session)[0], engine.ask(days, id=trace)[0][0])


def counted(engine: Any, session: str) -> tuple[int, int]:
    """Return interactions and input tokens that are known of the days; each session has a service of its own."""
    sums = "SELECT sum(interactions), sum(input_tokens) FROM otel.daily_stats WHERE service = {session:String}"
    return tuple(engine.ask(sums, session=session)[0])  # type: ignore[return-value]


@pytest.mark.parametrize("missing", [AGGREGATES, AGGREGATES[:1], AGGREGATES[1:], AGGREGATES[2:]], ids="+".join)
def test_between_a_table_and_those_behind(
    engine: Any,
    tmp_path: Path,
    journal: Path,
    new_loading: Any,
    request_of: Make,
    stored: Any,
    session: str,
    missing: tuple[str, ...],
) -> None:
    """The rows are there, what is known of sessions and traces is not: it is completed, on top of what was known."""
    engine.store(tmp_path, request_of(body(session, (1,), spans=3)))
    path = engine.freeze(journal, request_of(body(session, (0, 40), spans=2)))
    with cut_off(engine, *missing):
        engine.insert(path, f"{path.stem}-forgotten")
    assert (known(engine, session), counted(engine, session)) != ((7, 49, 41), (7, 49))
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 4
    assert known(engine, session) == (7, 49, 41)
    assert counted(engine, session) == (7, 49)


@pytest.mark.parametrize("missing", [{0}, {1}, {0, 1}, {1, 2}, {0, 1, 2}], ids=str)
def test_nothing_is_behind_twice(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, session: str, missing: set[int]
) -> None:
    """Of segments of one session some are behind and some are not: in the end each is, once."""
    paths = [engine.freeze(journal, request_of(body(session, spans=spans))) for spans in (1, 2, 4)]
    for number, path in enumerate(paths):
        with cut_off(engine, *AGGREGATES) if number in missing else contextlib.nullcontext():
            engine.insert(path, f"{path.stem}-forgotten")
    start_after_a_power_cut(new_loading, engine, tmp_path, *paths)
    assert known(engine, session) == (7, 49, 1)
    assert counted(engine, session) == (7, 49)


def test_the_older_of_two_is_missing_in_a_day(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, session: str
) -> None:
    """Two segments were being stored, the newer and smaller one made it: days know of it, sums alone would not tell."""
    older, newer = (engine.freeze(journal, request_of(body(session, spans=spans))) for spans in (4, 1))
    with cut_off(engine, "daily_stats_state"):
        engine.insert(older, f"{older.stem}-forgotten")
    engine.insert(newer, f"{newer.stem}-forgotten")
    assert counted(engine, session) == (1, 7)
    start_after_a_power_cut(new_loading, engine, tmp_path, older, newer)
    assert counted(engine, session) == (5, 35)


def test_nobody_inserts_while_sums_are_compared(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, stored: Any, session: str
) -> None:
    """A letter is completed while another connection has more of the same session: that has to wait, or would be lost.

    The sums would tell that the letter is behind, though it is the other one.
    """
    letter, other = (engine.freeze(journal, request_of(body(session, spans=2))) for _ in range(2))
    with cut_off(engine, *AGGREGATES):
        engine.insert(letter, f"{letter.stem}-forgotten")
    happened: list[str] = []

    class Slow:
        embedded = True

        def __getattr__(self, name: str) -> Any:
            return getattr(engine.database, name)

        def rows(self, sql: str, *arguments: Any) -> Any:
            if "brought" not in sql:
                return engine.database.rows(sql, *arguments)
            running.take(other)
            time.sleep(0.7)  # the other connection has nothing else to do
            found = engine.database.rows(sql, *arguments)
            happened.append("compared")
            return found

        def insert_file(self, *arguments: Any) -> None:
            happened.append("inserted")
            engine.database.insert_file(*arguments)

    running = new_loading(Slow(), tmp_path, more=[Slow()])
    running.loader.start()
    kept = Letter(letter.stem, "refused", 0, "traces", requests=1)
    running.letters.keep(kept, letter.read_bytes())
    running.letters.ask_replay(kept)
    running.wait_until(lambda: not running.letters.is_wanted(kept.id) and stored(other.stem))
    running.wait()
    assert running.loader.stop(20)
    assert happened == ["compared", "compared", "inserted"]  # days, sessions
    assert known(engine, session)[:2] == counted(engine, session) == (4, 28)


@pytest.fixture
def half_there(engine: Any, tmp_path: Path, journal: Path, request_of: Make, session: str) -> Callable[..., Path]:
    """Make a segment of two days of which only today is there, and this in the aggregates or not."""

    def make(*missing: str) -> Path:
        path = engine.freeze(journal, request_of(body(session, (0, 40), spans=2)))
        today = engine.freeze(tmp_path, request_of(body(session, spans=2)))
        today.write_bytes(envelope.segment_of(path.stem, segment.read(today)[1]))
        with cut_off(engine, *missing) if missing else contextlib.nullcontext():
            engine.insert(today, f"{path.stem}-forgotten")
        return path

    return make


def test_cut_between_two_partitions(
    engine: Any, tmp_path: Path, new_loading: Any, stored: Any, session: str, half_there: Callable[..., Path]
) -> None:
    """Only the first day of a segment is there and nothing behind it: the rest comes, and all of it behind."""
    path = half_there(*AGGREGATES)
    assert stored(path.stem) == 2
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 4
    assert known(engine, session) == (4, 28, 41)
    assert counted(engine, session) == (4, 28)


def test_cut_while_it_is_completed(
    engine: Any, tmp_path: Path, new_loading: Any, stored: Any, session: str, half_there: Callable[..., Path]
) -> None:
    """The rest of a segment came into the table and not behind it: it does when it is completed once more."""
    path, tables = half_there(), Tables(engine.database)
    with cut_off(engine, "sessions_state"):
        Stored(engine.database, tables, Decoder(engine.database, tmp_path)).complete(path, "traces", path.stem)
    assert stored(path.stem) == 4
    assert known(engine, session)[0] == 2
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 4
    assert known(engine, session) == (4, 28, 41)
    assert counted(engine, session) == (4, 28)


def test_stored_in_parts(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, stored: Any, session: str
) -> None:
    """A segment that was taken apart is there under the names of its parts, whose tokens are not remembered either."""
    path = engine.freeze(journal, *[request_of(body(session))] * 2)
    for number, frame in enumerate(segment.read(path)[1]):
        part = tmp_path / f"{path.stem}-{number:06d}.part"
        part.write_bytes(envelope.segment_of(part.stem, [frame]))
        engine.insert(part, f"{part.stem}-forgotten")
    Note(path).begin(2)
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 2
    assert known(engine, session) == (2, 14, 1)


def test_after_old_partitions_were_dropped(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, session: str
) -> None:
    """What is known of a session may be more than the table has: other sessions tell whether the segment is behind."""
    engine.store(tmp_path, request_of(body(session, (41,), spans=5)))
    path = engine.freeze(journal, request_of(body(session, spans=2)), request_of(body(f"{session}-new")))
    with cut_off(engine, *AGGREGATES):
        engine.insert(path, f"{path.stem}-forgotten")
    old = engine.ask("SELECT toString(today() - 41)")[0][0]
    engine.database.command(f"ALTER TABLE otel.otel_traces DROP PARTITION '{old}'")
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert known(engine, session)[:2] == (7, 49)
    assert known(engine, f"{session}-new")[:2] == (1, 7)


def test_after_rows_of_the_day_were_deleted(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, session: str
) -> None:
    """Days know more than the table has, as somebody's data was erased: the newest segment's name tells what lacks."""
    erased = engine.store(tmp_path, request_of(body(session, spans=5)))
    path = engine.freeze(journal, request_of(body(session, spans=2)))
    with cut_off(engine, "daily_stats_state"):
        engine.insert(path, f"{path.stem}-forgotten")
    engine.database.command(f"DELETE FROM otel.otel_traces WHERE JournalSegment = '{erased}'")
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert counted(engine, session) == (7, 49)


@pytest.fixture
def tables_of_an_operator(engine: Any) -> Iterator[None]:
    """Tables that somebody else feeds from ours: an aggregate, and one whose name has to be quoted."""
    names = {"mine": "SimpleAggregateFunction(sum, UInt64)", "my-table": "UInt64"}
    for name, kind in names.items():
        engine.database.command(
            f"CREATE TABLE otel.`{name}` (session String, n {kind}) ENGINE = AggregatingMergeTree ORDER BY session"
        )
        engine.database.command(
            f"CREATE MATERIALIZED VIEW otel.`{name} view` TO otel.`{name}` AS "
            "SELECT SessionId AS session, count() AS n FROM otel.otel_traces GROUP BY session"
        )
    yield
    for name in names:
        engine.database.command(f"DROP TABLE otel.`{name} view`")
        engine.database.command(f"DROP TABLE otel.`{name}`")


def test_tables_of_an_operator(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, session: str, request: Any
) -> None:
    """What an operator made of our rows is left alone: nobody knows since when it is fed, and what it keeps."""
    engine.store(tmp_path, request_of(body(session, spans=5)))
    request.getfixturevalue("tables_of_an_operator")
    path = engine.freeze(journal, request_of(body(session, spans=2)))
    engine.insert(path, f"{path.stem}-forgotten")
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert engine.ask("SELECT sum(n) FROM otel.mine WHERE session = {s:String}", s=session) == [(2,)]
    assert known(engine, session) == (7, 49, 1)


def test_spans_that_are_no_interactions(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, stored: Any
) -> None:
    """A segment that tells nothing of any session is done with all the same."""
    path = engine.freeze(journal, request_of(traces(span("plain")).SerializeToString()))
    engine.insert(path, f"{path.stem}-forgotten")
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 1


def test_every_aggregate_is_known(engine: Any) -> None:
    """No table behind another is of a kind of which nobody can tell whether it has a block."""
    keepers = [
        keeper for signal in ("traces", "logs", "metrics") for keeper in Tables(engine.database).route(signal).keepers
    ]
    fed = "SELECT count() FROM system.tables WHERE database = 'otel' AND engine LIKE '%AggregatingMergeTree'"
    aggregates = {each.step.table: each.sum for keeper in keepers for each in keeper.behind}
    assert aggregates == {
        "sessions_state": "interactions",
        "otel_traces_trace_id_ts": "",
        "session_of_trace": "",
        "daily_stats_state": "interactions",
    }
    assert engine.ask(fed)[0][0] == len(aggregates)


def test_looking_at_sessions_reads_little(engine: Any, tmp_path: Path, request_of: Make, session: str) -> None:
    """The sessions of a segment are looked up by the index, not by reading all there is."""
    for _ in range(3):
        engine.store(tmp_path, request_of(body(f"{session}-other")))
    name = engine.store(tmp_path, request_of(body(session)))
    asked: list[str] = []

    class Listening:
        def rows(self, sql: str) -> list[Sequence[Any]]:
            asked.append(sql)
            found: list[Sequence[Any]] = engine.database.rows(sql)
            return found

        def command(self, sql: str) -> None:
            engine.database.command(sql)

    keeper = Tables(engine.database).route("traces").keepers[0]
    listening: Any = Listening()
    Behind(listening).complete(keeper, f"{keeper.rows} WHERE JournalSegment = '{name}'", "none")
    plan = "\n".join(
        row[0]
        for row in engine.ask(
            f"EXPLAIN indexes = 1 {next(sql for sql in asked if 'brought' in sql and 'sessions_state' in sql)}"
        )
    )
    (read, all_there), *_ = re.findall(r"Name: session_id\b.*?Granules: (\d+)/(\d+)", plan, re.DOTALL)
    assert int(read) < int(all_there), plan
