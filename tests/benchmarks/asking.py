"""How long do people wait for an answer? The product's questions about many interactions, on the embedded engine."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import orjson
from measure import percentile
from report import Table
from seed import DAYS, SEED, kept

from collector.clickhouse import EMBEDDED_FOLDER, ClickHouse
from collector.query import questions
from collector.query.api.asking import Api
from collector.query.api.interactions import history
from collector.query.clickhouse_http.embedded import Chunk, Session, quoted
from collector.query.clickhouse_http.query_error import QueryError
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.reader import EmbeddedReader, Span
from collector.query.viewer import EVERYBODY

if TYPE_CHECKING:
    from collector.query.api.door import Door

TIMES, PATIENCE_SECONDS = 40, 20.0  # so often each, or as often as fits in the time
FEWEST = 3
PLANS = 5  # so often a question is planned and not answered
THREADS = 2
CHOSEN = 60  # sessions and users to ask about
HISTORY = """SELECT ts, type, session_id, input_text, output_text, model, input_tokens, output_tokens, status
FROM otel.interactions
WHERE user_id = {user:String}
ORDER BY ts DESC
LIMIT 50"""
SESSION = "SELECT * FROM otel.sessions WHERE session_id = {session:String}"
STEPS = ["click OpenChat", "product", "checkout", "paid"]
NOBODY = "00000000-0000-0000-0000-000000000000"
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """What there is to ask about: when it ends, and some of its sessions and users."""

    until: datetime
    sessions: list[str]
    heavy: list[str]
    light: list[str]
    chance: random.Random

    def time(self, days: float) -> Values:
        """Return so many days, somewhere."""
        end = self.until - timedelta(seconds=self.chance.uniform(0, (DAYS - days) * 86_400))
        return {"since": f"{(end - timedelta(days=days)).timestamp():.3f}", "until": f"{end.timestamp():.3f}"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, what about, and the milliseconds within which 95 of 100 are answered."""

    title: str
    sql: str
    about: Callable[[World], Values] = lambda _: {}
    goal_ms: float | None = None
    knows_when: bool = False  # asks when the session was first, as /api does, and then opens these days only
    page: bool = False  # is a page of /api about a user, with what it takes to make one


@dataclass(slots=True)
class Answers:
    """What each answer cost, and what planning it alone does."""

    ms: list[float] = field(default_factory=list)
    plan_ms: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)

    failed: str = ""

    def cells(self, goal: float | None) -> list[str]:
        """Return them as a row of the table."""
        if not self.ms:
            return ["0", *[""] * 6, f"FAILED: {self.failed}"]
        p95 = percentile(self.ms, 0.95)
        verdict = (
            "" if goal is None else f"p95 < {goal:,.0f} ms: {'held' if p95 < goal and not self.failed else 'MISSED'}"
        )
        times = [f"{value:,.1f}" for value in (median(self.ms), p95, max(self.ms))]
        times.append(f"{median(self.plan_ms):,.1f}" if self.plan_ms else "")
        read = [f"{median(self.rows):,.0f}", f"{median(self.bytes) / 1e6:,.1f}"] if self.rows else ["", ""]
        return [str(len(self.ms)), *times, *read, " ".join(filter(None, (verdict, self.failed)))]


def asked() -> Iterator[Question]:
    """Yield what is asked, in the order of the table."""
    yield Question("SELECT 1: the way to the engine and back", "SELECT 1")
    yield Question("transcript of a session, as /api asks", questions.text("transcript"), session, 50, knows_when=True)
    yield Question("… as SQL asks, all days", questions.text("transcript"), session)
    yield Question("… of one that is not there", questions.text("transcript"), lambda _: {"session": NOBODY})
    yield Question("journey of a session", questions.text("journey"), session)
    yield Question("… of one that is not there", questions.text("journey"), lambda _: {"session": NOBODY})
    yield Question("row of a session", SESSION, session)
    yield Question("history of a user with many sessions", HISTORY, lambda w: {"user": w.chance.choice(w.heavy)}, 100)
    yield Question("… as a page of /api", "", lambda w: {"user": w.chance.choice(w.heavy)}, page=True)
    yield Question("history of any user", HISTORY, lambda w: {"user": w.chance.choice(w.light)}, 100)
    yield Question("… as a page of /api", "", lambda w: {"user": w.chance.choice(w.light)}, page=True)
    yield Question("… of one that is not there", HISTORY, lambda _: {"user": NOBODY})
    yield Question("overview, 24 h", questions.text("overview"), lambda w: w.time(1), 200)
    yield Question("stats, 7 days", questions.text("stats"), lambda w: w.time(7), 100)
    goals = {"top_prompts": 2000, "common_paths": 2000, "funnel": 2000}
    others = [each for each in questions.names() if each not in {*goals, "overview", "stats", "journey"}]
    for name in (*goals, *others):
        yield Question(f"{name}, 1 day", questions.text(name), lambda w: w.time(1), goals.get(name))


def session(world: World) -> Values:
    """Return a session to ask about."""
    return {"session": world.chance.choice(world.sessions)}


def asking(rows: int, cache: Path) -> Table:
    """Ask everything about so many interactions; they are made once and kept in `cache`."""
    folder = cache / f"asking-{rows}"
    database, until = kept(folder, rows)
    try:
        world = chosen(database, until)
        table = [[each.title, *answers(folder, each, world).cells(each.goal_ms)] for each in asked()]
        stored = database.rows("SELECT count() FROM otel.otel_traces")[0][0]
    finally:
        database.close()
    title = f"questions about {stored:,} interactions of {DAYS} days (seed {SEED}), {THREADS} threads; read: medians"
    return Table(title, ["", "times", "p50 ms", "p95 ms", "max ms", "plan ms", "rows read", "MB read", "goal"], table)


def chosen(database: ClickHouse, until: datetime) -> World:
    """Choose whom to ask about, the same ones each time."""

    def first(what: str, order: str) -> list[str]:
        found = f"SELECT {what} FROM otel.sessions WHERE {what} != '' GROUP BY {what} ORDER BY {order} LIMIT {CHOSEN}"
        return [row[0] for row in database.rows(found)]

    sessions = first("session_id", f"cityHash64(session_id, {SEED})")
    heavy = first("user_id", "count() DESC, user_id")
    light = first("user_id", f"cityHash64(user_id, {SEED})")
    return World(until, sessions, heavy, light, random.Random(SEED))


def answers(folder: Path, question: Question, world: World) -> Answers:
    """Ask once to warm up, about something else, and then to measure; a question that fails is not asked again."""
    path, found = os.path.realpath(folder / EMBEDDED_FOLDER), Answers()
    deadline = time.monotonic() + PATIENCE_SECONDS
    if question.page:
        return pages(path, question, world)
    try:
        ask(path, question.sql, parameters(question, world), knows_when=question.knows_when)
        while len(found.ms) < TIMES and (time.monotonic() < deadline or len(found.ms) < FEWEST):
            took, read = timed(path, question.sql, parameters(question, world), knows_when=question.knows_when)
            found.ms.append(took)
            found.rows.append(read.read_rows)
            found.bytes.append(read.read_bytes)
        for _ in range(PLANS):
            found.plan_ms.append(timed(path, f"EXPLAIN PIPELINE {question.sql}", parameters(question, world))[0])
    except QueryError as error:
        found.failed = error.name
    return found


def pages(path: str, question: Question, world: World) -> Answers:
    """Let /api make pages about users, once to warm up; what it asks for one, ClickHouse does not count together."""
    reader, found = EmbeddedReader(path, Caps(threads=THREADS)), Answers()
    api = Api(reader, cast("Door", None), lambda _: None)  # nobody comes through the door here
    try:
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            asyncio.run(history(api, viewer=EVERYBODY, user_id=question.about(world)["user"], cursor=""))
            found.ms.append((time.perf_counter() - began) * 1000)
    finally:
        reader.close()
    found.ms.pop(0)
    return found


def parameters(question: Question, world: World) -> dict[str, str]:
    """Return what to ask about this time."""
    values: Values = {**questions.DEFAULTS, "steps": STEPS, **question.about(world)}
    return {name: questions.written(values[name]) for name, _ in questions._PARAMETER.findall(question.sql)}


def timed(path: str, sql: str, values: Mapping[str, str], *, knows_when: bool = False) -> tuple[float, Chunk]:
    """Ask and return the milliseconds until the whole answer was there."""
    began = time.perf_counter()
    answer = ask(path, sql, values, knows_when=knows_when)
    return (time.perf_counter() - began) * 1000, answer


def ask(path: str, sql: str, values: Mapping[str, str], *, knows_when: bool = False) -> Chunk:
    """Ask as the SQL port and /api do: over a connection of its own, with the product's limits."""
    connection = Session(path)
    try:
        connection.set(Caps(threads=THREADS).settings())
        if knows_when:
            [found] = connection.result(questions.text("session_range"), "JSONEachRow", values).data.splitlines()
            row = orjson.loads(found)
            within = Span(row["from_nano"], row["to_nano"] + 10**9).condition()
            connection.set({"additional_table_filters": f"{{'otel.otel_traces': {quoted(within)}}}"})
        return connection.result(sql, "JSONEachRow", values)
    finally:
        connection.close()
