"""One collector for these tests, with data in which every panel has something to show."""

from __future__ import annotations

import contextlib
import copy
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from conversations import at, everything
from otlp_builders import traces
from processes import CollectorProcess, add_key, running
from scraped import scraped
from seeded import seeded
from ten_tenants import TENANTS, Told, happened, requests_of

from collector.access.keys import Scope
from dashboards import provisioned
from dashboards.clickhouse import Asker
from dashboards.validate import asked, looked_at
from dashboards.validate.asks import Ask, Asked

ROWS = 8_000
DAYS_AGO = 45  # the seeded ones are of 30
ODD_SERVICES = ("it's one", "back\\slash", "a $dollar")
Json = dict[str, Any]


@dataclass(frozen=True)
class World:
    """The collector, how to ask it, when its data ends (s since 1970), and what ten tenants told long before."""

    collector: CollectorProcess
    asker: Asker
    ask: Ask  # the same, and each query once
    until: float
    since: int  # of the hours of `told`
    told: list[Told]
    key_of_acme: str

    def asked(self, boards: list[Json], rules: Json | None = None, ask: Ask | None = None) -> Asked:
        """Ask every query of these boards and rules; no panel may be empty."""
        return asked(
            boards,
            rules or {"groups": []},
            ask or self.ask,
            until=self.until,
            shows_content=provisioned.shows_content(),
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Seeded sessions of 30 days, conversations of every kind just now, and what the collector tells of itself."""
    folder = tmp_path_factory.mktemp("boards") / "data"
    seeded(folder, ROWS, datetime.now(UTC).replace(tzinfo=None).isoformat())
    since = int(datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0).timestamp()) - DAYS_AGO * 86_400
    told = happened(since)
    sending = {tenant: add_key(folder, Scope.INGEST, tenant=tenant) for tenant in (*TENANTS, "default")}
    of_acme = add_key(folder, Scope.READ, tenant="acme")
    everybodys = add_key(folder, Scope.ADMIN, tenant="*")
    with running(folder, "--retention-days", "0") as collector:
        for tenant in TENANTS:
            collector.key = sending[tenant]
            for request in requests_of(told, tenant):
                collector.send(request)
        collector.key = sending["acme"]
        for request in everything():
            collector.send(request)
        for ago, requests in ((600, everything()), (300, [*odd(), lossy()]), (0, [])):
            collector.key = sending["default"]
            for request in requests:
                collector.send(request)
            collector.post("/v1/traces", b"this is no protobuf")
            collector.key = everybodys
            collector.wait_until_stored()
            figures = scraped(collector, time.time() - ago)
            collector.key = sending["default"]
            collector.send(figures)
        collector.key = everybodys
        collector.wait_until_stored()
        with contextlib.closing(Asker(f"http://{collector.endpoints['sql']}", everybodys)) as asker:
            yield World(collector, asker, functools.cache(asker.ask), time.time() + 1, since, told, of_acme)


def odd() -> Iterator[Any]:
    """Make streamed answers of a mood, by services of names that are hard to quote."""
    for service in ODD_SERVICES:
        told = {"session.id": f"session of {service}", "user.id": "o'brien", "interaction.type": "assistant_response"}
        mood = told | {"interaction.mood": "friendly", "interaction.message": "Hello", "gen_ai.request.model": "gpt-4o"}
        mood |= {"gen_ai.response.time_to_first_chunk": 0.3}  # at night the seeded ones are few
        began = time.time_ns() - 300 * 10**9
        yield traces(at(began, 0, "assistant_response", mood), resource={"service.name": service})


def lossy() -> Any:
    """Make what a process recorded that lost its numbers 3, 5 and 6."""
    began = time.time_ns() - 300 * 10**9
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


@pytest.fixture(scope="session")
def provisioned_rules() -> Json:
    """The alert rules as Grafana reads them."""
    return provisioned.rules()


@pytest.fixture
def rules(provisioned_rules: Json) -> Json:
    """The same, to be broken."""
    return copy.deepcopy(provisioned_rules)


@pytest.fixture(scope="session")
def provisioned_sources() -> Json:
    """The data sources as Grafana reads them."""
    return provisioned.sources()


@pytest.fixture
def sources(provisioned_sources: Json) -> Json:
    """The same, to be broken."""
    return copy.deepcopy(provisioned_sources)


def complaints(boards: list[Json], rules: Json, sources: Json) -> list[str]:
    """Return what looking finds."""
    return [str(each) for each in looked_at(boards, rules, sources)]


@pytest.fixture(scope="session")
def look() -> Any:
    """Look at boards, rules and sources."""
    return complaints
