"""With a key of one tenant the boards show that tenant, whatever is chosen on them."""

from __future__ import annotations

import contextlib
from typing import Any

from dashboards import provisioned
from dashboards.clickhouse import Asker
from dashboards.validate import asked
from dashboards.validate.looks import panels_of
from dashboards.validate.macros import ALL, Context, of_panel


def test_one_tenant(world: Any) -> None:
    """Every query of the boards but Collector health is answered, and only by rows of the key's tenant."""
    boards = [each for each in provisioned.boards() if each["title"] != "Collector health"]
    with contextlib.closing(Asker(f"http://{world.collector.endpoints['sql']}", world.key_of_acme)) as asker:
        told = _asked_without_explaining(boards, asker, world.until)
        assert [str(each) for each in told.findings] == []
        assert _tenants(boards, asker, world.until) == {"acme"}
    assert len(_tenants(boards, world.asker, world.until)) > 1


def _asked_without_explaining(boards: list[dict[str, Any]], asker: Asker, until: float) -> Any:
    """Ask everything; EXPLAIN is closed to tenants, and what it tells is no other's matter."""

    def ask(sql: str) -> Any:
        return asker.ask("SELECT ''" if sql.startswith("EXPLAIN") else sql)

    shown = frozenset[tuple[str, str]]()
    return asked(boards, {"groups": []}, ask, until=until, shows_content=shown, may_be_empty=True)


def _tenants(boards: list[dict[str, Any]], asker: Asker, until: float) -> set[str]:
    """Return whose sessions the list shows."""
    [board] = [each for each in boards if each["title"] == "Conversations"]
    [panel] = [each for each in panels_of(board) if each["title"] == "Sessions"]
    chosen = {"tenant": ALL, "service": ALL, "model": ALL, "status": ALL, "user": "", "search": ""}
    sql = of_panel(panel["targets"][0]["rawSql"], Context(until - 86_400, until, 60_000, chosen))
    return set(asker.ask(sql).column("tenant"))
