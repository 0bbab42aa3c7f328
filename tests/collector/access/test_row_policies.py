"""What the policies were made of is kept for the next start, and never trusted: the schema as it stands decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import span, traces
from processes import add_key, running

from collector.access import row_policies
from collector.access.keys import Scope
from collector.access.row_policies import Table
from collector.datadir import POLICIES

COUNT = "SELECT count() AS n, uniqExact(Tenant) AS tenants FROM otel.otel_traces"


def without_spans(kept: dict[str, Any]) -> str:
    """Leave out the table that matters most."""
    return json.dumps(kept | {"tables": [each for each in kept["tables"] if each[0] != "otel_traces"]})


def with_more(kept: dict[str, Any]) -> str:
    """Let tenants read a table that is not theirs."""
    return json.dumps(kept | {"tables": [*kept["tables"], ["schema_migrations", "name", False]]})


def without_all(_: dict[str, Any]) -> str:
    """Know of no table."""
    return json.dumps({"tables": [], "dictionaries": []})


@pytest.mark.parametrize("changed", [without_spans, with_more, without_all, lambda _: "no JSON", None])
def test_policies_are_those_of_the_schema(tmp_path: Path, changed: Any) -> None:
    """Whatever the file says at the start, a tenant reads its own rows, and the file says then what is so."""
    folder, path = tmp_path / "data", tmp_path / "data" / POLICIES
    with running(folder):
        kept = path.read_text()
    if changed:
        path.write_text(changed(json.loads(kept)))
    else:
        path.unlink()
    keys = {tenant: add_key(folder, Scope.INGEST, Scope.READ, tenant=tenant) for tenant in ("acme", "beta")}
    with running(folder, "--batch-seconds", "0.1") as collector:
        for collector.key in keys.values():
            collector.send(traces(span()))
            collector.wait_until_stored()
        assert collector.ask(COUNT) == [{"n": 1, "tenants": 1}]
        with pytest.raises(Exception, match="ACCESS_DENIED"):
            collector.ask("SELECT count() FROM otel.schema_migrations")
    assert json.loads(path.read_text()) == json.loads(kept)


def test_remembered(tmp_path: Path) -> None:
    """What is kept comes back; names that could leave their place in XML or SQL do not."""
    path = tmp_path / POLICIES
    found, asked = (
        [Table("otel_traces", "Tenant", is_view=False), Table("sessions", "tenant", is_view=True)],
        ["prices"],
    )
    row_policies.remember(path, found, asked)
    assert row_policies.remembered(path) == (found, asked)
    for name in ("a b", "a<", "ä", ""):
        row_policies.remember(path, [Table(name, "Tenant", is_view=False)], [])
        assert row_policies.remembered(path) is None
        row_policies.remember(path, [], [name])
        assert row_policies.remembered(path) is None
