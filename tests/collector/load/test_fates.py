"""The loader's counters: what was handed over is stored or dead, to the request and item; each try is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from balance import assert_balanced
from clickhouse_connect.driver.exceptions import DatabaseError
from otlp_builders import span, traces

from collector.journal import repair
from collector.journal.store import Keeping, Store
from collector.load.loader import Loader
from collector.request import Request
from collector.telemetry import Counters

SECONDS = 20
Make = Callable[..., Request]


class Loading:
    """A loader at work on the real engine, in front of which the first tries may fail."""

    def __init__(self, database: Any, folder: Path) -> None:
        self.journal, self.counters, self.codes = folder / "journal", Counters(), list[int]()
        self.embedded, self._database = True, database
        store = Store(self.journal, Keeping())
        self.loader = Loader([self], store, folder / "dead-letters", folder / "scratch", self.counters)
        self.loader.start()

    def insert_file(self, *args: Any) -> None:
        """Fail with the codes a test has set, then pass everything on."""
        if self.codes:
            raise DatabaseError("not now", code=self.codes.pop(0))
        self._database.insert_file(*args)

    def rows(self, *args: Any) -> Any:
        """Pass a question on."""
        return self._database.rows(*args)

    def load(self, path: Path, spoil: Callable[[Path], object] = lambda _: None) -> dict[str, int]:
        """Have a segment loaded, spoilt once it is known what it holds; return the counters when it is done with."""
        held = repair.survey(path).content()
        spoil(path)
        self.counters.fate("recovered", held.items, requests=held.requests)
        self.loader.enqueue(path, held)
        deadline = time.monotonic() + SECONDS
        while self.loader.waiting():
            assert time.monotonic() < deadline, self.loader.last_error
            time.sleep(0.01)
        counters = self.counters.snapshot()
        assert_balanced({"counters": counters, "queue_depth": 0, "items_pending": 0})
        return counters


@pytest.fixture
def loading(engine: Any, tmp_path: Path) -> Iterator[Loading]:
    """A running loader."""
    running = Loading(engine.database, tmp_path)
    yield running
    assert running.loader.stop(SECONDS)


def spans(count: int) -> bytes:
    """Make a body of so many spans."""
    return traces(*(span() for _ in range(count))).SerializeToString()


def test_stored(engine: Any, loading: Loading, request_of: Make) -> None:
    """A segment ClickHouse takes is stored, all of it, and its duration is known."""
    path = engine.freeze(loading.journal, *(request_of(spans(n), items=n) for n in (1, 2, 3)))
    count = loading.load(path)
    assert (count["requests_stored"], count["items_stored"], count["segments_loaded"]) == (3, 6, 1)
    assert "loads_failed" not in count
    assert sum(loading.counters.distributions()["load_duration_seconds", "traces", ""][0]) == 1


def test_every_failed_try_is_counted(engine: Any, loading: Loading, request_of: Make) -> None:
    """Tries that fail for ClickHouse's own reasons are counted, and nothing is stored or dead by them."""
    path = engine.freeze(loading.journal, request_of(spans(2), items=2))
    loading.codes = [241, 252]
    count = loading.load(path)
    assert (count["loads_failed"], count["requests_stored"], count.get("requests_dead", 0)) == (2, 1, 0)


def test_requests_that_are_set_aside(engine: Any, loading: Loading, request_of: Make) -> None:
    """Of a segment with bad requests, these are dead with their items and the others stored with theirs."""
    bad = request_of(b"\x0a\x7fabc", items=4)
    path = engine.freeze(loading.journal, request_of(spans(2), items=2), bad, request_of(spans(3), items=3), bad)
    count = loading.load(path)
    assert (count["requests_stored"], count["items_stored"]) == (2, 5)
    assert (count["requests_dead"], count["items_dead"]) == (2, 8)


def test_a_segment_that_is_set_aside_whole(engine: Any, loading: Loading, request_of: Make) -> None:
    """A segment that does not read is dead with every request and item it was handed over with."""
    path = engine.freeze(loading.journal, *(request_of(spans(2), items=2) for _ in range(3)))
    count = loading.load(path, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"))
    assert count["requests_dead"] >= 1
