"""A collector with two tenants, two users of the same names in each, and everybody's keys and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import SECRET, TENANTS, USERS, World, said
from processes import CollectorProcess, add_key

from collector.access.keys import ALL_TENANTS, Scope


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run it, and let everybody say something."""
    folder: Path = tmp_path_factory.mktemp("api") / "data"
    keys = {
        f"{name} {scope}": add_key(folder, scope, tenant=tenant)
        for name, tenant in ((*zip(TENANTS, TENANTS, strict=True), ("all", ALL_TENANTS)))
        for scope in Scope
        if (name, scope) != ("all", Scope.INGEST)
    }
    collector = CollectorProcess(folder, "--jwt-secret", SECRET, "--batch-seconds", "0.2")
    collector.key = keys["all read"]
    found = World(collector.start(), keys)
    for tenant in TENANTS:
        with found.client(keys[f"{tenant} ingest"]) as client:
            for user in USERS:
                reply = client.post("/api/interactions/log", json=said(tenant, user))
                assert reply.status_code == 200, reply.text
    collector.wait_until_stored()
    yield found
    assert collector.stop() == 0
