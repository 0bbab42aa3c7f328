"""One collector for these tests, with data in which every panel has something to show."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from conversations import at, everything
from otlp_builders import traces
from processes import CollectorProcess, running
from scraped import scraped
from seeded import seeded

from dashboards import provisioned
from dashboards.clickhouse import Asker
from dashboards.validate import asked, looked_at
from dashboards.validate.asks import Asked

ROWS = 20_000
ODD_SERVICES = ("it's one", "back\\slash", "a $dollar")
Json = dict[str, Any]


@dataclass(frozen=True)
class World:
    """The collector, how to ask it, and when its data ends (s since 1970)."""

    collector: CollectorProcess
    asker: Asker
    until: float

    def asked(self, boards: list[Json], rules: Json | None = None) -> Asked:
        """Ask every query of these boards and rules; no panel may be empty."""
        return asked(
            boards,
            rules or {"groups": []},
            self.asker.ask,
            until=self.until,
            shows_content=provisioned.shows_content(),
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Seeded sessions of 30 days, conversations of every kind just now, and what the collector tells of itself."""
    folder = tmp_path_factory.mktemp("boards") / "data"
    seeded(folder, ROWS, datetime.now(UTC).replace(tzinfo=None).isoformat())
    with running(folder, "--retention-days", "0") as collector:
        for ago, requests in ((600, everything()), (300, [*odd(), lossy()]), (0, [])):
            for request in requests:
                collector.send(request)
            collector.post("/v1/traces", b"this is no protobuf")
            collector.wait_until_stored()
            collector.send(scraped(collector, time.time() - ago))
        collector.wait_until_stored()
        with contextlib.closing(Asker(f"http://{collector.endpoints['sql']}")) as asker:
            yield World(collector, asker, time.time() + 1)


def odd() -> Iterator[Any]:
    """Make answers of a mood, by services of names that are hard to quote."""
    for service in ODD_SERVICES:
        told = {"session.id": f"session of {service}", "user.id": "o'brien", "interaction.type": "assistant_response"}
        mood = told | {"interaction.mood": "friendly", "interaction.message": "Hello", "gen_ai.request.model": "gpt-4o"}
        began = time.time_ns() - 600 * 10**9
        yield traces(at(began, 0, "assistant_response", mood), resource={"service.name": service})


def lossy() -> Any:
    """Make what a process recorded that lost its numbers 3, 5 and 6."""
    began = time.time_ns() - 600 * 10**9
    told = {"session.id": "lossy", "interaction.type": "event", "service.instance.id": "lossy"}
    spans = [at(began, number, "event", told | {"interaction.sequence": number}) for number in (1, 2, 4, 7)]
    return traces(*spans, resource={"service.name": "lossy"})


@pytest.fixture(scope="session")
def provisioned_boards() -> list[Json]:
    """The boards as Grafana reads them."""
    return provisioned.boards()


@pytest.fixture
def boards(provisioned_boards: list[Json]) -> list[Json]:
    """The same, to be broken."""
    return copy.deepcopy(provisioned_boards)


@pytest.fixture
def rules() -> Json:
    """The alert rules, to be broken."""
    return provisioned.rules()


@pytest.fixture
def sources() -> Json:
    """The data sources, to be broken."""
    return provisioned.sources()


def complaints(boards: list[Json], rules: Json, sources: Json) -> list[str]:
    """Return what looking finds."""
    return [str(each) for each in looked_at(boards, rules, sources)]


@pytest.fixture(scope="session")
def look() -> Any:
    """Look at boards, rules and sources."""
    return complaints
