"""Bodies on their way: validated, journaled, loaded, read back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from processes import CollectorProcess, running

from collector.errors import Malformed
from collector.receive.validate import VALIDATORS
from collector.request import Request, Signal


@dataclass
class Outcome:
    """What became of a body: refused, accepted but not loadable, or rows."""

    refused: bool = False
    error: str = ""
    items: int = 0
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class Journey:
    """Takes bodies from the validator to rows. All accepted bodies share an insert, as they do in a segment."""

    def __init__(self, engine: Any, reference: Any, request_of: Callable[..., Request], folder: Path) -> None:
        """Keep segments in `folder`."""
        self._engine, self._reference, self._request_of, self._folder = engine, reference, request_of, folder

    def travel(self, bodies: Mapping[str, bytes], signal: Signal = Signal.TRACES) -> dict[str, Outcome]:
        """Return what became of each body; what stops a segment is found by halving it."""
        outcomes, accepted = {}, []
        for label, body in bodies.items():
            try:
                passed = VALIDATORS[signal](body)
            except Malformed:
                outcomes[label] = Outcome(refused=True)
                continue
            outcomes[label] = Outcome(items=passed.items)
            accepted.append(self._request_of(passed.body, signal, items=passed.items, peer=label))
        self._load(accepted, outcomes)
        return outcomes

    @staticmethod
    def validate(body: bytes, signal: Signal) -> None:
        """Validate only; a refusal is raised."""
        VALIDATORS[signal](body)

    def _load(self, requests: list[Request], outcomes: dict[str, Outcome]) -> None:
        if not requests:
            return
        try:
            name = self._engine.store(self._folder, *requests)
        except ClickHouseError as error:
            if len(requests) == 1:
                outcomes[requests[0].peer].error = f"{error.code}: {str(error)[:300]}"
                return
            middle = len(requests) // 2
            self._load(requests[:middle], outcomes)
            self._load(requests[middle:], outcomes)
            return
        for label, rows in self._rows(name, requests[0].signal).items():
            outcomes[label].rows = rows

    def _rows(self, name: str, signal: Signal) -> dict[str, list[tuple[Any, ...]]]:
        found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for table, columns in self._tables(signal).items():
            sql = f"SELECT Peer, {columns} FROM otel.{table} WHERE JournalSegment = {{name:String}}"
            for peer, *row in self._engine.ask(sql, name=name):
                found[peer].append(self._reference.levelled(tuple(row)))
        return found

    def _tables(self, signal: Signal) -> dict[str, str]:
        """Return the tables that keep a signal's rows, each with the columns to compare."""
        reference = self._reference
        if signal is Signal.TRACES:
            return {"otel_traces": reference.SPANS}
        if signal is Signal.LOGS:
            return {"otel_logs": reference.RECORDS}
        return {
            f"otel_metrics_{kind}": f"'{kind}', {reference.POINT}, {columns}"
            for kind, columns in reference.SPECIFIC.items()
        }


@pytest.fixture(scope="session")
def journey(
    engine: Any, reference: Any, request_of: Callable[..., Request], tmp_path_factory: pytest.TempPathFactory
) -> Journey:
    """The way of a body from the validator to rows."""
    return Journey(engine, reference, request_of, tmp_path_factory.mktemp("journey"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that takes up to 2,000 bytes only, over Unix sockets too, and from pages of one origin."""
    folder = tmp_path_factory.mktemp("small")
    flags = ["--max-request-bytes", "2000", "--batch-seconds", "0.1", "--cors-origins", "https://app.example.org"]
    flags += ["--grpc-socket", str(folder / "grpc"), "--http-socket", str(folder / "http")]
    with running(folder / "data", *flags) as process:
        yield process
