"""A loader at work on the real engine, and trouble in front of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from collector.journal import repair
from collector.journal.store import Keeping, Store
from collector.load.dead_letters import DeadLetters, Letter
from collector.load.loader import Loader
from collector.telemetry import Counters

SECONDS = 40

Fault = Callable[[str, bytes], int | None]
"""Says with which of ClickHouse's codes an insert under a token, of these bytes, fails; None if it passes."""


class Trouble:
    """The database, as seen by the loader, with errors in front of it that a real one gives."""

    def __init__(self, database: Any, *codes: int) -> None:
        """Fail once with each of these codes, then pass everything on."""
        self._database = database
        self.codes = list(codes)
        self.fault: Fault = lambda _token, _data: None
        self.tokens: list[str] = []
        self.embedded = database.embedded
        self.unreachable = threading.Event()
        self.lose_answers = threading.Event()
        self.questions = 0

    @property
    def tries(self) -> int:
        """How many inserts came."""
        return len(self.tokens)

    def insert_file(self, table: str, path: Path, input_format: str, settings: dict[str, str]) -> None:
        """Fail or pass on."""
        token = settings["insert_deduplication_token"]
        self.tokens.append(token)
        if self.unreachable.is_set():
            raise ConnectionRefusedError(111, "Connection refused")
        code = self.codes.pop(0) if self.codes else self.fault(token, path.read_bytes())
        if code:
            raise DatabaseError(f"Code: {code}. DB::Exception: not now", code=code)
        self._database.insert_file(table, path, input_format, settings)
        if self.lose_answers.is_set():
            raise ConnectionResetError(104, "Connection reset by peer")

    def rows(self, *args: Any) -> Any:
        """Pass a question on."""
        self.questions += 1
        return self._database.rows(*args)

    def command(self, *args: Any) -> None:
        """Pass a statement on."""
        self._database.command(*args)


class Loading:
    """A loader at work on the real engine."""

    def __init__(
        self,
        database: Any,
        folder: Path,
        decode: Any = "clickhouse",
        more: Sequence[Any] = (),
        *,
        tokens_lost: bool = False,
    ) -> None:
        """Keep the journal and the dead letters in `folder`; load over `database`, and over `more` at the same time."""
        self.folder = folder
        self.journal, self.dead_letters = folder / "journal", folder / "dead-letters"
        self.store = Store(self.journal, Keeping(window=0))
        self.counters = Counters()
        self.letters = DeadLetters(self.dead_letters)
        databases, scratch = [database, *more], folder / "scratch"
        self.loader = Loader(
            databases, self.store, self.dead_letters, scratch, self.counters, decode, tokens_lost=tokens_lost
        )

    def take(self, path: Path) -> None:
        """Hand over a frozen segment."""
        self.loader.enqueue(path, repair.survey(path).content())

    def wait(self, seconds: float = SECONDS) -> None:
        """Wait until everything handed over is done with."""
        self.wait_until(lambda: not self.loader.waiting(), seconds)

    def wait_until(self, condition: Callable[[], object], seconds: float = SECONDS) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"still waiting: {self.loader.last_error}"
            assert self.loader._thread.is_alive(), "the loader's thread ended"
            time.sleep(0.01)

    def dead(self) -> dict[str, Letter]:
        """Return what was set aside."""
        return {identity: self.letters.get(identity) for identity in self.letters.ids()}

    def left(self) -> list[str]:
        """Return the files in between that are still there."""
        return sorted(path.name for path in (self.folder / "scratch").iterdir())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon, however often it failed."""
    monkeypatch.setattr("collector.load.line._LONGEST_PAUSE", 0.15)


@pytest.fixture(scope="session")
def new_loading() -> type[Loading]:
    """Make a loader that is not started yet."""
    return Loading


@pytest.fixture
def loading(engine: Any, tmp_path: Path) -> Iterator[Loading]:
    """A running loader; in the end nothing of it is left."""
    running = Loading(engine.database, tmp_path)
    running.loader.start()
    yield running
    assert running.loader.stop(SECONDS)
    assert running.left() == []


@pytest.fixture
def troubled(engine: Any, tmp_path: Path) -> Iterator[Callable[..., tuple[Loading, Trouble]]]:
    """Make running loaders whose database fails at first, with the codes given; in the end they are stopped."""
    with contextlib.ExitStack() as undo:

        def make(*codes: int) -> tuple[Loading, Trouble]:
            trouble = Trouble(engine.database, *codes)
            running = Loading(trouble, tmp_path)
            running.loader.start()
            undo.callback(running.loader._thread.join, SECONDS)
            undo.callback(running.loader.stop, 0)
            return running, trouble

        yield make


class Asked:
    """What the engine has of a segment."""

    def __init__(self, engine: Any) -> None:
        """Ask this engine."""
        self._engine = engine

    def __call__(self, name: str, table: str = "otel_traces") -> int:
        """Count the rows of a segment, those of its parts included."""
        sql = f"SELECT count() FROM otel.{table} WHERE startsWith(JournalSegment, {{name:String}})"
        return int(self._engine.ask(sql, name=name)[0][0])

    def behind(self, session: str) -> tuple[int, int]:
        """Count the interactions of a session in the first table, and in the aggregate behind it."""
        rows = "SELECT count() FROM otel.interactions WHERE session_id = {session:String}"
        known = "SELECT sum(interactions) FROM otel.sessions WHERE session_id = {session:String}"
        return self._engine.ask(rows, session=session)[0][0], self._engine.ask(known, session=session)[0][0]


@pytest.fixture
def stored(engine: Any) -> Asked:
    """What the engine has of a segment."""
    return Asked(engine)
