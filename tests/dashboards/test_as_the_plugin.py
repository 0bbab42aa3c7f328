"""What Grafana's plugin sends to the embedded collector, by the provisioned data source: README's steps."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from collector.cli import app
from dashboards import build, provisioned
from dashboards.clickhouse import Asker
from dashboards.validate.asks import AskError
from dashboards.validate.looks import panels_of
from dashboards.validate.macros import ALL, Context, of_panel
from dashboards.validate.shapes import Answer

# of clickhouse-go 2.47 over HTTP, as the plugin starts it
DRIVER = {"default_format": "Native", "client_protocol_version": "54460", "max_execution_time": "65"}
README = (build.FOLDER.parent / "README.md").read_text()


class Plugin:
    """The data source, as Grafana fills in what stands in its environment."""

    def __init__(self, address: str, key: str) -> None:
        """Read the provisioned file."""
        [source] = provisioned.sources()["datasources"]
        host, _, port = address.rpartition(":")
        given = {"$CLICKHOUSE_HOST": host, "$CLICKHOUSE_PORT": port, "$CLICKHOUSE_USER": "grafana"}
        given |= {"$CLICKHOUSE_PASSWORD": key}
        data = {name: given.get(str(value), value) for name, value in source["jsonData"].items()}
        password = given[source["secureJsonData"]["password"]]
        assert (data["protocol"], data["secure"], data.get("path", "")) == ("http", False, "")
        self.database = data["defaultDatabase"]
        self.http = httpx.Client(
            base_url=f"http://{data['host']}:{data['port']}", auth=(data["username"], password), trust_env=False
        )

    def sent(self, sql: str) -> httpx.Response:
        """Send a query as the driver does: SQL as the body, the rest in the address."""
        return self.http.post("/", params=DRIVER | {"database": self.database}, content=sql.encode(), timeout=60)


@pytest.fixture(scope="module")
def plugins(world: Any) -> Iterator[tuple[Plugin, Plugin]]:
    """The provisioned data source with a key of one tenant, and with one of all."""
    address = world.collector.endpoints["sql"]
    of_one, of_all = Plugin(address, world.key_of_acme), Plugin(address, world.collector.key)
    with of_one.http, of_all.http:
        yield of_one, of_all


def test_save_and_test(plugins: tuple[Plugin, Plugin]) -> None:
    """The two statements of the button `Save & test` are answered; with another password they are not."""
    for plugin in plugins:
        for sql in ("SELECT displayName(), version(), revision(), timezone()", "SELECT 1"):
            reply = plugin.sent(sql)
            assert (reply.status_code, reply.headers["x-clickhouse-format"]) == (200, "Native")
    wrong = httpx.post(f"{plugins[0].http.base_url}", auth=("grafana", "wrong"), content="SELECT 1")
    assert wrong.status_code == 401


def test_every_query_in_the_drivers_format(
    world: Any, plugins: tuple[Plugin, Plugin], boards: list[dict[str, Any]], rules: dict[str, Any]
) -> None:
    """Each query is answered in Native blocks of the driver's version, which hold no type that cannot be written.

    A key of one tenant opens all boards but Collector health.
    """
    for_all = [each for each in boards if each["title"] == "Collector health"]
    for_one = [each for each in boards if each not in for_all]
    of_one, of_all = plugins
    told = [*_asked(world, of_one, for_one), *_asked(world, of_all, for_all, rules)]
    assert told == []


def _asked(world: Any, plugin: Plugin, boards: list[dict[str, Any]], rules: dict[str, Any] | None = None) -> list[str]:
    """Ask everything so; what is told of the answers is told of those that the other tests look at."""
    sent = 0

    def ask(sql: str) -> Answer:
        nonlocal sent
        if sql.startswith("EXPLAIN"):
            return Answer(["explain"], ["String"], [])
        reply = plugin.sent(sql)
        sent += 1
        if reply.status_code != httpx.codes.OK:
            raise AskError(reply.text)
        answer: Answer = world.ask(sql)
        return answer

    told = world.asked(boards, rules, ask)
    assert sent > len(boards) * 10
    return [str(each) for each in told.findings if "reads nothing of it" not in each.what]


def test_one_tenant(world: Any) -> None:
    """With a key of one tenant the list of sessions shows that tenant's, whatever is chosen; with another, more."""
    with contextlib.closing(Asker(f"http://{world.collector.endpoints['sql']}", world.key_of_acme)) as asker:
        assert _tenants(asker, world.until) == {"acme"}
    assert len(_tenants(world.asker, world.until)) > 1


def _tenants(asker: Asker, until: float) -> set[str]:
    [board] = [each for each in provisioned.boards() if each["title"] == "Conversations"]
    [panel] = [each for each in panels_of(board) if each["title"] == "Sessions"]
    chosen = {"tenant": ALL, "service": ALL, "model": ALL, "status": ALL, "user": "", "search": ""}
    sql = of_panel(panel["targets"][0]["rawSql"], Context(until - 86_400, until, 60_000, chosen))
    return set(asker.ask(sql).column("tenant"))


def test_commands_of_the_readme(tmp_path: Any) -> None:
    """The key is made by the command that README tells."""
    [line] = [line for line in README.splitlines() if "otel-interactions keys add" in line]
    command = line.strip().strip("`")
    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--data-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "oti_" in done.output
