"""With a key of one tenant the boards show that tenant, whatever is chosen on them."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from conversations import everything
from processes import add_key, running

from collector.access.keys import Scope
from dashboards import provisioned
from dashboards.clickhouse import Asker
from dashboards.validate import asked
from dashboards.validate.looks import panels_of
from dashboards.validate.macros import ALL, Context, of_panel

TENANTS = ("acme", "beta")


def test_one_tenant(tmp_path: Path) -> None:
    """Every query of the boards but Collector health is answered, and only by rows of the key's tenant."""
    folder = tmp_path / "data"
    folder.mkdir()
    sending = {tenant: add_key(folder, Scope.INGEST, tenant=tenant) for tenant in TENANTS}
    reading = add_key(folder, Scope.READ, tenant="acme")
    admin = add_key(folder, Scope.ADMIN)
    with running(folder) as collector:
        for key in sending.values():
            collector.key = key
            for request in everything():
                collector.send(request)
        collector.key = admin
        collector.wait_until_stored()
        with contextlib.closing(Asker(f"http://{collector.endpoints['sql']}", reading)) as asker:
            boards = [each for each in provisioned.boards() if each["title"] != "Collector health"]
            told = _asked_without_explaining(boards, asker)
            assert [str(each) for each in told.findings] == []
            assert _tenants(boards, asker) == {"acme"}


def _asked_without_explaining(boards: list[dict[str, Any]], asker: Asker) -> Any:
    """Ask everything; EXPLAIN is closed to tenants, and what it tells is no other's matter."""

    def ask(sql: str) -> Any:
        return asker.ask("SELECT ''" if sql.startswith("EXPLAIN") else sql)

    shown = frozenset[tuple[str, str]]()
    return asked(boards, {"groups": []}, ask, until=time.time(), shows_content=shown, may_be_empty=True)


def _tenants(boards: list[dict[str, Any]], asker: Asker) -> set[str]:
    """Return whose sessions the list shows."""
    [board] = [each for each in boards if each["title"] == "Conversations"]
    [panel] = [each for each in panels_of(board) if each["title"] == "Sessions"]
    chosen = {"tenant": ALL, "service": ALL, "model": ALL, "status": ALL, "user": "", "search": ""}
    sql = of_panel(panel["targets"][0]["rawSql"], Context(time.time() - 86_400, time.time(), 60_000, chosen))
    return set(asker.ask(sql).column("tenant"))
