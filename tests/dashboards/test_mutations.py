"""Is a board that was broken found out? Each way of breaking one is tried on the real boards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dashboards.validate import macros
from dashboards.validate.looks import panels_of, variables_of

Json = dict[str, Any]
Break = Callable[[Json], None]
BOARDS = ("conversations", "session", "sre", "models", "product", "voice", "health")


def board_of(boards: list[Json], name: str) -> Json:
    [found] = [each for each in boards if each["uid"] == f"otel-interactions-{name}"]
    return found


def panel_of(board: Json, title: str) -> Json:
    [found] = [each for each in panels_of(board) if each["title"] == title]
    return found


def sql(title: str, old: str, new: str, letter: str = "A") -> Break:
    """Break a query's text."""

    def broken(board: Json) -> None:
        [target] = [each for each in panel_of(board, title)["targets"] if each["refId"] == letter]
        assert old in target["rawSql"], target["rawSql"]
        target["rawSql"] = target["rawSql"].replace(old, new)

    return broken


def target(title: str, **values: Any) -> Break:
    """Break what stands beside a query."""
    return lambda board: panel_of(board, title)["targets"][0].update(values)


def panel(title: str, **values: Any) -> Break:
    """Break a panel."""
    return lambda board: panel_of(board, title).update(values)


def override(title: str, old: str, new: str) -> Break:
    """Break the name of a column that is shown in its own way."""

    def broken(board: Json) -> None:
        [found] = [e for e in panel_of(board, title)["fieldConfig"]["overrides"] if e["matcher"]["options"] == old]
        found["matcher"]["options"] = new

    return broken


def link(title: str, old: str, new: str) -> Break:
    """Break an address."""

    def broken(board: Json) -> None:
        urls = [
            each
            for override in panel_of(board, title)["fieldConfig"]["overrides"]
            for made in override["properties"]
            if made["id"] == "links"
            for each in made["value"]
        ]
        assert any(old in each["url"] for each in urls)
        for each in urls:
            each["url"] = each["url"].replace(old, new)

    return broken


def unit(title: str, name: str) -> Break:
    """Break a unit."""
    return lambda board: panel_of(board, title)["fieldConfig"]["defaults"].update(unit=name)


def same_place(board: Json) -> None:
    first, second = panels_of(board)[:2]
    second["gridPos"] = dict(first["gridPos"])


def same_id(board: Json) -> None:
    panels_of(board)[1]["id"] = panels_of(board)[0]["id"]


def without(*keys: str) -> Break:
    """Leave something out of a board."""

    def broken(board: Json) -> None:
        for key in keys:
            board.pop(key)

    return broken


def variable(name: str, **values: Any) -> Break:
    """Break a variable."""
    return lambda board: variables_of(board)[name].update(values)


def lost_hint(board: Json) -> None:
    panels_of(board)[0]["fieldConfig"]["defaults"]["noValue"] = ""


TENANT = "${tenant:singlequote}"
SEEN: list[tuple[str, Break, str]] = [
    ("sre", sql("Rate by type", "ORDER BY time, series", ""), "not ordered by `time`"),
    ("sre", sql("Rate by type", "ORDER BY time", "ORDER BY time DESC"), "not ordered by `time`"),
    ("sre", sql("Rate by type", "$__timeFilter(", "$__timeFiltr("), "no macro $__timeFiltr"),
    ("sre", sql("Rate by type", "$__timeFilter(Timestamp)", "$__timeFilter(Timestamp, 5)"), "takes 1 argument"),
    (
        "sre",
        sql("Rate by type", "SELECT $__timeInterval(Timestamp) AS time", "$__columns(Timestamp"),
        "no macro $__col",
    ),
    ("sre", sql("Rate by type", "$__timeFilter(Timestamp)", "1"), "reads all of a table"),
    ("sre", sql("Rate by type", TENANT, "${nobody:singlequote}"), "no variable $nobody"),
    ("sre", sql("Rate by type", TENANT, "$tenant"), "without quotes"),
    ("sre", sql("Rate by type", TENANT, "${tenant:csv}"), "format :csv"),
    ("sre", sql("Rate by type", ", $tenant)", ", ${tenant:singlequote})"), "bare $variable"),
    ("sre", sql("Rate by type", f"Tenant IN ({TENANT})", f"Tenant = {TENANT}"), "in `IN (…)` only"),
    ("sre", sql("Rate by type", f"Tenant IN ({TENANT})", f"Tenant IN ('(a, b)', {TENANT})"), "parenthesis"),
    ("sre", sql("Rate by type", f"Tenant IN ({TENANT})", f"Tenant IN ('a)b', {TENANT})"), "$__conditionalAll takes"),
    ("sre", sql("Rate by type", "ORDER BY time, series", "ORDER BY time, series;"), "neither `;`"),
    ("sre", sql("Rate by type", "ORDER BY time", "-- in order\nORDER BY time"), "nor comments"),
    ("sre", sql("Rate by type", "ORDER BY time", "AND has([[service]], ['a']) ORDER BY time"), "[[word]]"),
    ("sre", target("Rate by type", format=1), "not what a timeseries takes"),
    ("sre", target("Rate by type", queryType="table"), "not what a timeseries takes"),
    ("sre", target("Rate by type", editorType="builder"), "not marked as SQL"),
    ("sre", target("Rate by type", pluginVersion="3.4.0"), "plugin's version 4"),
    ("sre", target("Rate by type", datasource={"type": "prometheus", "uid": "x"}), "data source is not the one"),
    ("sre", panel("Rate by type", datasource=None), "data source is not the one"),
    ("sre", panel("Rate by type", type="traces"), "not what a traces takes"),
    ("sre", panel("Rate by type", description=""), "no description"),
    ("sre", lost_hint, "no hint"),
    ("sre", unit("Slowest", "milliseconds"), "milliseconds is no unit"),
    ("sre", lambda board: panel_of(board, "Slowest")["fieldConfig"]["overrides"].pop(0), "each empty cell"),
    ("sre", link("Slowest", "/d/otel-interactions-session", "/d/otel-interactions-sesion"), "leads nowhere"),
    ("sre", link("Slowest", "var-session", "var-sesion"), "has no variable sesion"),
    ("sre", link("Slowest", "fields.session:percentencode", "fields.session"), "may hold an `&`"),
    ("sre", same_place, "overlap"),
    ("sre", panel("Rate by type", gridPos={"x": 20, "y": 90, "w": 8, "h": 4}), "within 24 columns"),
    ("sre", same_id, "is not its own"),
    ("sre", without("uid"), "has no uid"),
    ("sre", lambda board: board.update(schemaVersion=2), "is not of classic JSON"),
    ("sre", lambda board: board.update(__inputs=[]), "__inputs do not work"),
    ("sre", lambda board: board.update(uid="otel-interactions-voice"), "uid of a board stands twice"),
    ("sre", variable("datasource", query="prometheus"), "no variable `datasource`"),
    ("sre", variable("tenant", refresh=1), "refresh 2"),
    ("conversations", sql("Sessions", "decodeURLComponent('${search:percentencode}')", "'$search'"), "without quotes"),
    ("conversations", sql("Sessions", "'${search:percentencode}'", "'${search:singlequote}'"), "in `IN (…)` only"),
    ("session", target("Agents, models and tools", refId="A"), "`nodes` and `edges`"),
    ("session", sql("Trace", "ORDER BY startTime", "ORDER BY startTime LIMIT 10"), "LIMIT cuts a trace"),
    ("session", sql("Tokens and times", "InteractionType != ''", "InteractionType != '' $__interval_x"), "no macro"),
]


@pytest.mark.parametrize(("name", "broken", "says"), SEEN)
def test_seen(boards: list[Json], rules: Json, sources: Json, look: Any, name: str, broken: Break, says: str) -> None:
    """What looking at the files can tell, it does."""
    broken(board_of(boards, name))
    found = look(boards, rules, sources)
    assert any(says in each for each in found), found


FOUND_OUT: list[tuple[str, str, Break, str]] = [
    ("sre", "Rate by type", sql("Rate by type", "GROUP BY", "GRUOP BY"), "SYNTAX_ERROR"),
    ("sre", "Rate by type", sql("Rate by type", "InteractionType AS series", "Typ AS series"), "UNKNOWN_IDENTIFIER"),
    ("sre", "Rate by type", sql("Rate by type", "AS time", "AS moment"), "UNKNOWN_IDENTIFIER"),
    ("sre", "Errors", sql("Errors", "SELECT", "SELECT 1 AS one,"), "first column `time`"),
    ("sre", "Errors", sql("Errors", "ORDER BY time", "ORDER BY time DESC"), "do not ascend"),
    ("sre", "Rate by type", sql("Rate by type", "count() /", "'many' ||"), "has no number"),
    (
        "sre",
        "Rate by type",
        sql("Rate by type", "GROUP BY time, series", "GROUP BY time, series, TraceId"),
        "two values",
    ),
    (
        "sre",
        "Rate by type",
        sql("Rate by type", "InteractionType AS series", "SpanId AS series"),
        "more than 60 series",
    ),
    (
        "sre",
        "Rate by type",
        sql("Rate by type", "InteractionType AS series", "InteractionType AS type"),
        "UNKNOWN_IDENT",
    ),
    ("sre", "Rate by type", sql("Rate by type", " AS rate", " AS rate, 1 AS more"), "one number then"),
    ("sre", "Rate by type", sql("Rate by type", " AS rate", " AS rate, [1] AS list"), "cannot show ['list']"),
    ("sre", "Rate by type", sql("Rate by type", "InteractionType != ''", "0"), "has no row"),
    (
        "sre",
        "In this time",
        sql("In this time", "FROM otel.otel_traces", ", 'x' AS name FROM otel.otel_traces"),
        "['name']",
    ),
    ("sre", "In this time", sql("In this time", '"Errors"', '"Failed"'), "no column `Errors`"),
    ("sre", "Answers", sql("Answers", "AS whole_trace", "AS trace"), "columns that are not there: ['whole_trace']"),
    ("sre", "Answers", target("Answers", format=0, queryType="timeseries"), "one label, `series`"),
    ("sre", "Answers", sql("Answers", "ORDER BY time", "ORDER BY time DESC"), "do not ascend"),
    ("sre", "Rate by type", target("Rate by type", format=1, queryType="table"), "two values"),
    ("sre", "Tools", override("Tools", "Share", "share"), "no column `share`"),
    ("sre", "Slowest", sql("Slowest", "AS whole_trace", "AS trace"), "columns that are not there: ['whole_trace']"),
    (
        "sre",
        "Slowest",
        sql("Slowest", "toString(toUnixTimestamp64Milli(Timestamp) - 3600000)", "toUnixTimestamp64Milli(Timestamp)"),
        "['from_ms'] as they are shown",
    ),
    ("sre", "Slowest", sql("Slowest", "substring(TraceId, 1, 16)", "cityHash64(TraceId)"), "a browser rounds"),
    ("sre", "Slowest", sql("Slowest", "SpanName AS", "StatusMessage AS"), "reads what was said"),
    (
        "sre",
        "Slowest",
        sql("Slowest", "SpanName AS", "SpanAttributes['gen_ai.input.messages'] AS"),
        "reads what was said",
    ),
    (
        "sre",
        "Slowest",
        sql(
            "Slowest",
            "ORDER BY DurationMs",
            "AND TraceId IN (SELECT trace_id FROM otel.interactions WHERE input_text != '') ORDER BY DurationMs",
        ),
        "otel.interactions.input_text",
    ),
    (
        "session",
        "Transcript",
        sql(
            "Transcript",
            "FROM otel.transcript",
            "FROM (SELECT * EXCEPT (text, tool_arguments, tool_result), '' AS text, "
            "'' AS tool_arguments, '' AS tool_result FROM otel.transcript)",
        ),
        "reads nothing of it",
    ),
    ("session", "Trace", sql("Trace", "AS traceID", "AS traceId"), "traceID (letter by letter)"),
    ("session", "Trace", sql("Trace", "* 0.000001 AS startTime", "AS startTime"), "not in milliseconds"),
    ("session", "Trace", sql("Trace", "ORDER BY startTime", "ORDER BY startTime DESC"), "order of their starts"),
    ("session", "Trace", sql("Trace", "SpanId AS spanID", "'' AS spanID"), "empty or stand twice"),
    (
        "session",
        "Trace",
        sql("Trace", "mapKeys(SpanAttributes)) AS tags", "mapKeys(SpanAttributes))[1] AS tags"),
        "tags is",
    ),
    ("session", "Trace", sql("Trace", "2, 0) AS statusCode", "'2', '0') AS statusCode"), "statusCode is number"),
    (
        "session",
        "Trace",
        sql("Trace", "TraceId = decodeURLComponent('${trace:percentencode}')", "1"),
        "shows one trace",
    ),
    (
        "session",
        "Agents, models and tools",
        sql("Agents, models and tools", "AS target", "|| '?' AS target", "edges"),
        "nodes that are not there",
    ),
    (
        "session",
        "Agents, models and tools",
        sql("Agents, models and tools", "AS title", "AS name", "nodes"),
        "['title']",
    ),
    (
        "session",
        "Agents, models and tools",
        sql("Agents, models and tools", "1 - countIf", "2 - countIf", "nodes"),
        "add up",
    ),
    ("session", "Timeline", sql("Timeline", "ORDER BY time", "ORDER BY time DESC"), "do not ascend"),
    ("session", "Timeline", sql("Timeline", "at AS time", "toUnixTimestamp(at) AS time"), "first column `time`"),
    (
        "conversations",
        "How sessions ended",
        sql("How sessions ended", "GROUP BY reason", "GROUP BY reason, session_id"),
        "a name stands twice",
    ),
    ("conversations", "Sessions", sql("Sessions", "toTimeZone(started_at, 'UTC')", "started_at"), "shows as JSON"),
    ("voice", "By model", sql("By model", 'AS "p99"', 'AS "p95"'), "MULTIPLE_EXPRESSIONS_FOR_ALIAS"),
    ("health", "Disks", sql("Disks", "system.disks", "system.diskss"), "UNKNOWN_TABLE"),
    (
        "health",
        "Complaints since the start",
        sql("Complaints since the start", "name AS", "last_error_message AS"),
        "system.errors.last_error_message",
    ),
]


@pytest.mark.parametrize(("name", "title", "broken", "says"), FOUND_OUT)
def test_found_out(world: Any, boards: list[Json], name: str, title: str, broken: Break, says: str) -> None:
    """What only the answer tells is found by asking; unbroken, the same panel is right."""
    board = board_of(boards, name)
    board["panels"] = [panel_of(board, title)]
    assert [str(each) for each in world.asked([board]).findings] == []
    broken(board)
    found = [str(each) for each in world.asked([board]).findings]
    assert any(says in each for each in found), found


RULES: list[tuple[Callable[[Json], Any], str]] = [
    (lambda rule: rule.update(condition="D"), "condition D is no step"),
    (lambda rule: rule["annotations"].pop("runbook"), "no runbook line"),
    (lambda rule: rule.update(panelId=999), "panel it belongs to is not there"),
    (lambda rule: rule.update(dashboardUid="gone"), "panel it belongs to is not there"),
    (lambda rule: rule["data"][0].update(datasourceUid="other"), "no data source other"),
    (lambda rule: rule["data"][1]["model"].update(expression="Z"), "is about Z"),
    (lambda rule: rule["data"][0]["model"].update(format=0), "not a table of SQL"),
    (lambda rule: _append(rule, " AND $__conditionalAll(a IN ($tenant), $tenant)"), "no macro of the backend"),
    (lambda rule: _append(rule, " AND Tenant = '$tenant'"), "no macro of the backend"),
    (lambda rule: _replace(rule, "$__timeFilter(Timestamp)", "1"), "reads all of a table"),
]


def _append(rule: Json, text: str) -> None:
    rule["data"][0]["model"]["rawSql"] += text


def _replace(rule: Json, old: str, new: str) -> None:
    model = rule["data"][0]["model"]
    assert old in model["rawSql"]
    model["rawSql"] = model["rawSql"].replace(old, new)


@pytest.mark.parametrize(("broken", "says"), RULES)
def test_rules(
    boards: list[Json], rules: Json, sources: Json, look: Any, broken: Callable[[Json], Any], says: str
) -> None:
    """A rule that would not fire, or lead nowhere, is told."""
    broken(rules["groups"][0]["rules"][0])
    found = look(boards, rules, sources)
    assert any(says in each for each in found), found


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (" AS value", " AS value, count() AS more", "one number and nothing else"),
        ("InteractionType != ''", "InteractionType != '' GROUP BY InteractionType", "one row, not"),
        ("InteractionType = 'error'", "StatusMessage != ''", "reads what was said"),
        ("FROM otel.otel_traces", "FROM otel.otel_trace", "UNKNOWN_TABLE"),
    ],
)
def test_answers_of_rules(world: Any, rules: Json, old: str, new: str, says: str) -> None:
    """A rule's query answers with one number."""
    rules["groups"][0]["rules"] = rules["groups"][0]["rules"][:1]
    _replace(rules["groups"][0]["rules"][0], old, new)
    found = [str(each) for each in world.asked([], rules).findings]
    assert any(says in each for each in found), found


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda data: data.pop("port"), "has no port"),
        (lambda data: data["traces"].pop("otelVersion"), "no otelVersion"),
        (lambda data: data["logs"].update(otelVersion="1.2.9"), "no otelVersion"),
    ],
)
def test_sources(
    boards: list[Json], rules: Json, sources: Json, look: Any, broken: Callable[[Json], Any], says: str
) -> None:
    """A data source that the plugin would not take is told."""
    broken(sources["datasources"][0]["jsonData"])
    found = look(boards, rules, sources)
    assert any(says in each for each in found), found


def test_values_that_quotes_do_not_hold(world: Any, boards: list[Json]) -> None:
    """A service with a backslash or a dollar in its name is not offered; with an apostrophe it is, and works."""
    board = board_of(boards, "sre")
    service = variables_of(board)["service"]
    offered = world.asker.ask(_now(world, service["query"]["rawSql"])).column("service")
    assert "it's one" in offered
    assert not {"back\\slash", "a $dollar"} & set(offered)
    service["query"]["rawSql"] = service["query"]["rawSql"].replace("AND NOT match", "OR match")
    board["panels"] = []
    assert any("quotes do not hold" in str(each) for each in world.asked([board]).findings)


def _now(world: Any, statement: str) -> str:
    return macros.of_panel(statement, macros.Context(world.until - 86_400, world.until))
