"""The boards as they are committed: every query runs, and its answer is what its panel takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from collector.telemetry.families import FAMILIES, exposed_name
from dashboards import build, provisioned, statements
from dashboards.boards import ALL
from dashboards.validate.looks import panels_of, variables_of

Json = dict[str, Any]


def test_committed_files() -> None:
    """What is committed is what the code makes; `make dashboards` writes it."""
    assert build.differing() == []


def test_nothing_to_see(boards: list[Json], rules: Json, sources: Json, look: Any) -> None:
    """Layout, ids, links, variables, macros and quoting of all boards and rules are right."""
    assert look(boards, rules, sources) == []


def test_every_query(world: Any, boards: list[Json], rules: Json) -> None:
    """Each query of a panel, a variable and a rule answers with something, in the shape that Grafana takes."""
    told = world.asked(boards, rules)
    assert [str(each) for each in told.findings] == []
    panels = sum(len(panel["targets"]) for board in boards for panel in panels_of(board))
    queries = sum(each["type"] == "query" for board in boards for each in variables_of(board).values())
    assert len(told.seconds) == panels + queries + len(rules["groups"][0]["rules"])


def test_every_file_is_asked(boards: list[Json], rules: Json) -> None:
    """No .sql file lies there unused, and each begins with what it asks."""
    used = {name for board in ALL for row in board.rows for panel in row.panels for name in panel.queries.values()}
    used |= {each.query for board in ALL for each in board.variables if each.query}
    used |= {f"alerts/{rule['uid'].removeprefix('otel_interactions_')}" for rule in rules["groups"][0]["rules"]}
    files = {str(path.relative_to(statements.FOLDER).with_suffix("")): path for path in _files()}
    parts = {found for path in files.values() for found in re.findall(r"\{\{> (\w+)\}\}", path.read_text())}
    assert used | {f"parts/{name}" for name in parts} == set(files)
    assert [name for name, path in files.items() if not path.read_text().startswith("-- ")] == []
    assert [name for name, path in files.items() if ";" in path.read_text()] == []
    assert not any("{{" in panel_sql for board in boards for panel_sql in _statements(board))


def _files() -> list[Path]:
    return sorted(statements.FOLDER.rglob("*.sql"))


def _statements(board: Json) -> list[str]:
    return [target["rawSql"] for panel in panels_of(board) for target in panel["targets"]]


def test_who_shows_what_was_said() -> None:
    """Only these panels read what people, models, tools and errors said: a decision, so it is written down here."""
    shown = {(uid.removeprefix("otel-interactions-"), title) for uid, title in provisioned.shows_content()}
    assert shown == {
        ("session", "Transcript"),
        ("session", "Trace"),
        ("session", "Tool calls"),
        ("session", "Errors"),
        ("sre", "Unresolved errors"),
        ("product", "Top prompts of the last day"),
    }


def test_boards_are_where_grafana_looks() -> None:
    """The provider's path is this folder, mounted as /etc/grafana/provisioning."""
    [provider] = provisioned.providers()["providers"]
    below = Path(provider["options"]["path"]).relative_to("/etc/grafana/provisioning")
    assert len(list((build.FOLDER / below).glob("*.json"))) == len(ALL)
    assert {group["folder"] for group in provisioned.rules()["groups"]} == {provider["folder"]}


def test_filters_that_a_panel_does_not_obey(boards: list[Json]) -> None:
    """A panel says which of the filters above its board it takes no notice of."""
    told = {(board["title"], each["title"]): each["description"] for board in boards for each in panels_of(board)}
    assert told["Product", "People"].endswith("Whatever is chosen as Environment.")
    assert told["Service health", "Tools"].endswith("Whatever is chosen as Type, Model.")
    assert told["Collector health", "Dead letters"].endswith("Whatever is chosen as Tenant, Service.")
    assert "Whatever is chosen" not in told["Service health", "Rate by type"]


def test_figures_that_the_collector_tells(boards: list[Json], rules: Json) -> None:
    """Each of the collector's own figures that is asked for is one of those it exposes."""
    queries = [sql for board in boards for sql in _statements(board)]
    queries += [step["model"].get("rawSql", "") for rule in rules["groups"][0]["rules"] for step in rule["data"]]
    asked = set(re.findall(r"'(otel_interactions_collector_\w*[a-z])'", " ".join(queries)))
    known = {exposed_name(each) for each in FAMILIES.values()}
    assert asked - known - {each.removesuffix("_total") for each in known} == set()
    assert len(asked) > 8


def test_readme() -> None:
    """README names every board, rule and panel that shows what was said."""
    told = (build.FOLDER.parent / "README.md").read_text().replace("\n", " ")
    rules = [rule["title"] for group in provisioned.rules()["groups"] for rule in group["rules"]]
    panels = [title for _, title in provisioned.shows_content()]
    assert [name for name in (*(board.title for board in ALL), *rules, *panels) if name not in told] == []
