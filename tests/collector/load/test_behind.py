"""A crash came between a table and the aggregates behind it, and no token is remembered: they get what they lack."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import span, traces

from collector.load.tables import Tables
from collector.request import Request

Make = Callable[..., Request]
DAY = 86_400 * 10**9
AGGREGATES = ("sessions_state", "otel_traces_trace_id_ts")


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
    return traces(*made).SerializeToString()


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


@pytest.mark.parametrize("missing", [AGGREGATES, AGGREGATES[:1], AGGREGATES[1:]], ids="+".join)
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
    assert known(engine, session) != (7, 49, 41)
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 4
    assert known(engine, session) == (7, 49, 41)


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


def test_cut_between_two_partitions(
    engine: Any, tmp_path: Path, journal: Path, new_loading: Any, request_of: Make, stored: Any, session: str
) -> None:
    """Only the first day of a segment is there and nothing behind it: the rest comes, and all of it behind."""
    path = engine.freeze(journal, request_of(body(session, (0, 40), spans=2)))
    content = path.read_bytes()
    today = engine.freeze(tmp_path, request_of(body(session, spans=2)))
    head = content.partition(path.stem.encode())[0] + path.stem.encode()
    today.write_bytes(head + today.read_bytes().partition(today.stem.encode())[2])
    with cut_off(engine, *AGGREGATES):
        engine.insert(today, f"{path.stem}-forgotten")
    assert stored(path.stem) == 2
    start_after_a_power_cut(new_loading, engine, tmp_path, path)
    assert stored(path.stem) == 4
    assert known(engine, session) == (4, 28, 41)


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
    assert aggregates == {"sessions_state": "interactions", "otel_traces_trace_id_ts": ""}
    assert engine.ask(fed)[0][0] == len(aggregates)


def test_looking_at_sessions_reads_little(engine: Any) -> None:
    """The sessions of a segment are looked up by the index, not by reading all there is."""
    keeper = Tables(engine.database).route("traces").keepers[0]
    aggregate = next(each for each in keeper.behind if each.sum)
    select = aggregate.step.select.replace("{segment}", keeper.rows)
    plan = engine.ask(
        f"EXPLAIN indexes = 1 SELECT * FROM ({select}) WHERE ({aggregate.keys}) IN (SELECT 'default', 'nobody')"
    )
    text = "\n".join(row[0] for row in plan)
    assert "session_id" in text.partition("Indexes:")[2], text
