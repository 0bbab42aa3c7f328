"""Every table whose rows belong to somebody is one that a viewer's conditions know."""

from __future__ import annotations

from typing import Any

import pytest

from collector.query import viewer
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.reader import EmbeddedReader, Span
from collector.query.viewer import EVERYBODY, Viewer

OWNED = """SELECT c.table, c.name
FROM system.columns AS c JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = 'otel' AND endsWith(t.engine, 'MergeTree') AND lower(c.name) = 'tenant' ORDER BY 1"""
BARE = """SELECT name FROM system.tables WHERE database = 'otel' AND endsWith(engine, 'MergeTree')
AND name NOT IN (SELECT table FROM system.columns WHERE database = 'otel' AND lower(name) = 'tenant') ORDER BY 1"""


def test_every_table_is_known(engine: Any) -> None:
    """A table that is added later cannot be forgotten."""
    assert dict(engine.ask(OWNED)) == dict(viewer._BY_TENANT)
    assert [name for (name,) in engine.ask(BARE)] == ["otel_traces_trace_id_ts", "removal_scope", "schema_migrations"]


@pytest.mark.parametrize("name", ["a' OR '1'='1", "\\", "\\'", "'", "a\\\\' OR 1 --", "{x:String}", "😀"])
def test_names_are_values(engine: Any, name: str) -> None:
    """Whatever a tenant or a user is called, the conditions let its rows through, and no others."""
    ids = [f"{number:016x}" for number in (1, 2, 3)]
    who = [(name, name), (name, "another"), ("another", name)]
    rows = [
        {"Timestamp": "2026-01-01 00:00:00", "SpanId": span, "Tenant": tenant, "SpanAttributes": {"user.id": user}}
        for span, (tenant, user) in zip(ids, who, strict=True)
    ]
    engine.database.insert("otel.otel_traces", rows)
    assert seen(engine, Viewer(name)) == {ids[0], ids[1]}
    assert seen(engine, Viewer(name, name)) == {ids[0]}
    assert seen(engine, Viewer(name, name), Span(1, 2)) == set()
    engine.database.command("TRUNCATE TABLE otel.otel_traces")


def seen(engine: Any, viewer: Viewer, within: Span | None = None) -> set[str]:
    """Return the ids of the spans that a viewer sees."""
    reader = EmbeddedReader(str(engine.folder / "clickhouse"), Caps())
    try:
        return {row["SpanId"] for row in reader.rows("SELECT SpanId FROM otel.otel_traces", {}, viewer, within)}
    finally:
        reader.close()


def test_everybody_has_no_condition() -> None:
    """Who sees all needs none; a user's tenant holds as well."""
    assert EVERYBODY.conditions() == {}
    assert Viewer("acme", "ann").conditions()["otel_traces"] == "`Tenant` IN ('', 'acme') AND `UserId` = 'ann'"
    assert Viewer("acme", "ann").conditions()["daily_stats_state"].endswith("AND 0")
