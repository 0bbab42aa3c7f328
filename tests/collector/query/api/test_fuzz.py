"""schemathesis asks every path what its OpenAPI document says, and worse; nothing is answered with a 5xx."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from api_world import World
from hypothesis import HealthCheck, Phase, given, settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))  # of each operation
ENDLESS = "/api/live"
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.fixture(scope="module")
def operations(world: World) -> list[Any]:
    """Every operation of the document, but the one that never ends."""
    schema = schemathesis.openapi.from_dict(world.found("/openapi.json"))
    schema.config.generation.update(modes=list(schemathesis.GenerationMode))
    found = [each.ok() for each in schema.get_all_operations()]
    return [each for each in found if each.path.startswith("/api/") and each.path != ENDLESS]


def test_no_path_fails(world: World, operations: list[Any]) -> None:
    """Whatever a client sends: an answer as documented, or a problem that says what is wrong."""
    assert len(operations) > 12
    statuses: dict[str, set[int]] = {}
    for operation in operations:
        statuses[operation.label] = set()
        given(case=operation.as_strategy())(SETTINGS(asked(world, statuses[operation.label])))()
    assert {label for label, found in statuses.items() if not found} == set()
    assert any(200 in found for found in statuses.values())


def asked(world: World, statuses: set[int]) -> Callable[[Any], None]:
    """Return what asks once."""
    address = f"http://{world.collector.endpoints['http']}"

    def ask(case: Any) -> None:
        reply = case.call(base_url=address, headers={"authorization": f"Bearer {world.keys['all admin']}"})
        statuses.add(reply.status_code)
        assert reply.status_code < 500, (case.as_curl_command(), reply.text)

    return ask
