"""What can be seen in the JSON and YAML without asking anybody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from dashboards.validate import macros
from dashboards.validate.finding import Finding
from dashboards.validate.macros import Context, MacroError

Json = Mapping[str, Any]
PLUGIN: Final = "grafana-clickhouse-datasource"
COLUMNS: Final = 24
SCHEMA_VERSIONS: Final = range(39, 43)
# format -> queryType, and the panels that take it
_FORMATS: Final = {
    0: ("timeseries", {"timeseries", "heatmap", "barchart"}),
    1: ("table", {"barchart", "bargauge", "nodeGraph", "piechart", "stat", "state-timeline", "table", "timeseries"}),
    2: ("logs", {"logs"}),
    3: ("traces", {"traces"}),
}
_KEYS: Final = {"refId", "datasource", "pluginVersion", "editorType", "queryType", "format", "rawSql"}
_FACTS: Final = re.compile(r"\bFROM\s+otel\.(otel_\w+|interactions|messages|transcript|sessions|sessions_state)\b")
_TIME: Final = re.compile(
    r"\$__(timeFilter|timeFilter_ms|dateFilter|dateTimeFilter|dt|timeFrom|fromTime|fromTime_ms)\b"
)
_ONE: Final = re.compile(r"\b(session_id|SessionId|TraceId) = decodeURLComponent\(")
_UNITS: Final = frozenset(
    {"bytes", "currencyUSD", "dateTimeFromNow", "ms", "none", "ops", "percent", "percentunit", "s", "short"}
)
_NOW: Final = re.compile(r"\bnow64?\(")
_USES: Final = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)([A-Za-z_]\w*)")
_OLD_VARIABLE: Final = re.compile(r"\[\[\w+(:\w+)?\]\]")
_URL_VARIABLE: Final = re.compile(r"[?&]var-(\w+)=")
_URL_BOARD: Final = re.compile(r"^/d/([\w-]+)(?=[/?]|$)")
_URL_FILLED: Final = re.compile(r"\$\{([^}]+)\}")
_NUMBERS: Final = {"from_ms", "to_ms"}


def looked_at(boards: Sequence[Json], rules: Json, sources: Json) -> list[Finding]:
    """Return what is wrong with boards, the file of alert rules, and that of the data sources."""
    known = {board.get("uid", ""): board for board in boards}
    found = [*_twice("uid of a board", (board.get("uid") for board in boards))]
    found += _twice("title of a board", (board.get("title") for board in boards))
    for board in boards:
        found += _board(board, known)
    provisioned = {each["uid"] for each in sources["datasources"]}
    return [*found, *_sources(sources), *_rules(rules, known, provisioned)]


def panels_of(board: Json) -> list[Json]:
    """Return the panels that show something, without headings."""
    return [each for each in board["panels"] if each["type"] not in {"row", "text"}]


def variables_of(board: Json) -> dict[str, Json]:
    """Return the variables by name."""
    return {each["name"]: each for each in board["templating"]["list"]}


def _twice(what: str, values: Iterator[Any]) -> list[Finding]:
    return [Finding(str(each), f"this {what} stands twice") for each, times in Counter(values).items() if times > 1]


def _board(board: Json, known: Mapping[str, Json]) -> Iterator[Finding]:
    where = board.get("title") or "a board"
    for key in ("uid", "title", "description", "panels", "templating", "time"):
        if not board.get(key):
            yield Finding(where, f"it has no {key}")
    if board.get("schemaVersion") not in SCHEMA_VERSIONS:
        yield Finding(where, f"schemaVersion {board.get('schemaVersion')} is not of classic JSON")
    if "__inputs" in board:
        yield Finding(where, "__inputs do not work in provisioned files")
    yield from _layout(where, board["panels"])
    variables = variables_of(board)
    if variables.get("datasource", {}).get("query") != PLUGIN:
        yield Finding(where, f"it has no variable `datasource` of {PLUGIN}")
    for name, variable in variables.items():
        yield from _variable(f"{where} / ${name}", variable, variables)
    for panel in panels_of(board):
        yield from _panel(f"{where} / {panel.get('title', '?')}", panel, variables, known)


def _layout(where: str, panels: Sequence[Json]) -> Iterator[Finding]:
    numbers = Counter(panel.get("id") for panel in panels)
    for number, times in numbers.items():
        if not isinstance(number, int) or number < 1 or times > 1:
            yield Finding(where, f"the id {number} of a panel is not its own positive number")
    for panel in panels:
        place = panel["gridPos"]
        if not (place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS and place["w"] > 0 and place["h"] > 0):
            yield Finding(f"{where} / {panel.get('title')}", "it does not lie within 24 columns")
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield Finding(where, f"the panels `{one.get('title')}` and `{other.get('title')}` overlap")


def _overlap(one: Json, other: Json) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return bool(across and down)


def _variable(where: str, variable: Json, variables: Mapping[str, Json]) -> Iterator[Finding]:
    if variable["type"] == "query":
        sql = variable["query"]["rawSql"]
        yield from _source(where, variable)
        yield from _statement(where, sql, variables, rule=False)
        if variable.get("refresh") != 2:  # noqa: PLR2004 - on each change of the time
            yield Finding(where, "its values are not asked anew when the time changes (refresh 2)")
    elif variable["type"] not in {"textbox", "datasource"}:
        yield Finding(where, f"a variable of type {variable['type']} is not expected here")


def _source(where: str, holder: Json) -> Iterator[Finding]:
    if holder.get("datasource") != {"type": PLUGIN, "uid": "${datasource}"}:
        yield Finding(where, "its data source is not the one chosen above the board")


def _panel(where: str, panel: Json, variables: Mapping[str, Json], known: Mapping[str, Json]) -> Iterator[Finding]:
    defaults = panel["fieldConfig"]["defaults"]
    for what, value in (
        ("title", panel.get("title")),
        ("description", panel.get("description")),
        ("unit", defaults.get("unit")),
        ("hint for where there is nothing", defaults.get("noValue")),
    ):
        if not value:
            yield Finding(where, f"it has no {what}")
    yield from _units(where, panel)
    yield from _source(where, panel)
    letters = [target.get("refId") for target in panel["targets"]]
    if len(set(letters)) != len(letters) or not letters:
        yield Finding(where, f"the letters of its queries are not each its own: {letters}")
    if panel["type"] == "nodeGraph" and set(letters) != {"nodes", "edges"}:
        yield Finding(where, "the queries of a node graph are called `nodes` and `edges`")
    for target in panel["targets"]:
        yield from _target(f"{where} / {target.get('refId')}", target, panel["type"], variables)
    for title, url in links_of(panel):
        yield from _link(f"{where} / link `{title}`", url, known)


def _units(where: str, panel: Json) -> Iterator[Finding]:
    config = panel["fieldConfig"]
    properties = [each for override in config["overrides"] for each in override["properties"]]
    units = {config["defaults"].get("unit")} | {each["value"] for each in properties if each["id"] == "unit"}
    for unit in sorted(filter(None, units - _UNITS)):
        yield Finding(where, f"{unit} is no unit of Grafana's that is known here")
    if panel["type"] in {"table", "stat"} and "noValue" not in {each["id"] for each in properties}:
        yield Finding(where, "each empty cell would show the hint for an empty panel")


def _target(where: str, target: Json, kind: str, variables: Mapping[str, Json]) -> Iterator[Finding]:
    if missing := _KEYS - target.keys():
        yield Finding(where, f"the query lacks {sorted(missing)}")
        return
    yield from _source(where, target)
    query_type, kinds = _FORMATS.get(target["format"], ("", set()))
    if target["queryType"] != query_type or kind not in kinds:
        yield Finding(where, f"format {target['format']} and {target['queryType']} are not what a {kind} takes")
    if target["editorType"] != "sql" or int(str(target["pluginVersion"]).partition(".")[0]) < 4:  # noqa: PLR2004
        yield Finding(where, "it is not marked as SQL of the plugin's version 4")
    sql = target["rawSql"]
    yield from _statement(where, sql, variables, rule=False)
    last_order = sql.rpartition("ORDER BY")[2].strip()
    if (target["format"] == 0 or kind == "timeseries") and not re.match(r"time\b(?! DESC)", last_order):
        yield Finding(where, "a series is not ordered by `time`, which Grafana refuses")
    if target["format"] == 3 and re.search(r"\bLIMIT\b", sql):  # noqa: PLR2004 - traces
        yield Finding(where, "LIMIT cuts a trace")


def _statement(where: str, sql: str, variables: Mapping[str, Json], *, rule: bool) -> Iterator[Finding]:
    if ";" in sql or "--" in sql or "/*" in sql:
        yield Finding(where, "SQL here has neither `;` nor comments")
    if _OLD_VARIABLE.search(sql):
        yield Finding(where, "Grafana takes [[word]] for a variable")
    for value in ("$__all", "chosen"):
        context = Context(0, 86_400, variables=dict.fromkeys(variables, value))
        try:
            macros.of_rule(sql, context) if rule else macros.of_panel(sql, context)
        except MacroError as error:
            yield Finding(where, str(error))
            return
    yield from _literals(where, sql)
    for found in () if rule else _USES.finditer(sql):
        yield from _use(where, sql, found, variables)
    always = macros.with_all_chosen(sql, variables)
    facts = _FACTS.search(always)
    if facts and not any(each.search(always, facts.end()) for each in (_TIME, _ONE, _NOW)):
        yield Finding(where, "it reads all of a table: there is no condition on the time, nor on one session or trace")


def _literals(where: str, sql: str) -> Iterator[Finding]:
    """The plugin does not know quotes when it looks for the end of $__conditionalAll."""
    for start in (found.end() for found in re.finditer(r"\$__conditionalAll\(", sql)):
        arguments, _ = macros._arguments(sql, start - 1)  # noqa: SLF001 - of this package
        if any(re.search(r"[(),]", text) for text in re.findall(r"'([^']*)'", arguments[0])):
            yield Finding(where, "a text within $__conditionalAll holds a parenthesis or a comma")


def _use(where: str, sql: str, found: re.Match[str], variables: Mapping[str, Json]) -> Iterator[Finding]:
    """Only two ways to put a value into SQL hold it: quoted in a list, or percent-encoded."""
    name, how = found[1] or found[3], found[2]
    before, behind = sql[: found.start()], sql[found.end() :]
    if found[3]:
        if not re.search(r"\$__conditionalAll\(.*,\s*$", before, re.DOTALL) or not behind.startswith(")"):
            yield Finding(where, f"${name} stands there without quotes")
    elif how == "singlequote":
        several = variables[name].get("multi")
        if not several or not before.endswith("IN (") or not behind.startswith(")"):
            yield Finding(where, f"${{{name}:singlequote}} holds in `IN (…)` only, and where several may be chosen")
    elif how != "percentencode" or not before.endswith("decodeURLComponent('") or not behind.startswith("')"):
        yield Finding(where, f"{found[0]} is not held by quotes: say decodeURLComponent('${{{name}:percentencode}}')")


def links_of(panel: Json) -> Iterator[tuple[str, str]]:
    """Yield title and address of each link of a panel and of its columns."""
    config = panel["fieldConfig"]
    lists = [config["defaults"].get("links", []), panel.get("links", [])]
    lists += [
        each["value"] for override in config["overrides"] for each in override["properties"] if each["id"] == "links"
    ]
    for links in lists:
        yield from ((link["title"], link["url"]) for link in links)


def _link(where: str, url: str, known: Mapping[str, Json]) -> Iterator[Finding]:
    board = _URL_BOARD.match(url)
    if not board or board[1] not in known:
        yield Finding(where, f"it leads nowhere: {url}")
        return
    for name in _URL_VARIABLE.findall(url):
        if name not in variables_of(known[board[1]]):
            yield Finding(where, f"the board `{known[board[1]]['title']}` has no variable {name}")
    for filled in _URL_FILLED.findall(url):
        name, _, how = filled.removeprefix("__data.fields.").partition(":")
        if filled != "datasource" and how != "percentencode" and name not in _NUMBERS:
            yield Finding(where, f"${{{filled}}} may hold an `&`: write ${{{filled}:percentencode}}")


def _sources(sources: Json) -> Iterator[Finding]:
    for source in sources["datasources"]:
        where, data = f"data source {source.get('name')}", source.get("jsonData", {})
        for key in ("host", "port", "defaultDatabase"):
            if not data.get(key):
                yield Finding(where, f"it has no {key}")
        for signal in ("logs", "traces"):
            told = data.get(signal, {})
            if told.get("otelEnabled") and told.get("otelVersion") not in {"latest", "1.30.0", "1.29.0"}:
                yield Finding(where, f"{signal} have no otelVersion that the plugin knows")


def _rules(file: Json, known: Mapping[str, Json], provisioned: set[str]) -> Iterator[Finding]:
    rules = [rule for group in file["groups"] for rule in group["rules"]]
    yield from _twice("uid of a rule", (rule.get("uid") for rule in rules))
    for rule in rules:
        where = f"alert {rule.get('title')}"
        steps = {step["refId"]: step for step in rule["data"]}
        if rule.get("condition") not in steps:
            yield Finding(where, f"its condition {rule.get('condition')} is no step of it")
        if not rule.get("annotations", {}).get("runbook"):
            yield Finding(where, "it has no runbook line")
        board = known.get(rule.get("dashboardUid", ""))
        if not board or rule.get("panelId") not in {panel["id"] for panel in panels_of(board)}:
            yield Finding(where, "the panel it belongs to is not there")
        for step in steps.values():
            yield from _step(where, step, steps, provisioned)


def _step(where: str, step: Json, steps: Mapping[str, Json], provisioned: set[str]) -> Iterator[Finding]:
    model = step["model"]
    if step["datasourceUid"] == "__expr__":
        if model.get("expression") not in steps:
            yield Finding(where, f"the step {step['refId']} is about {model.get('expression')}, which is no step")
        return
    if step["datasourceUid"] not in provisioned:
        yield Finding(where, f"there is no data source {step['datasourceUid']}")
    if model.get("format") != 1 or model.get("editorType") != "sql":
        yield Finding(where, "its query is not a table of SQL (format 1)")
    yield from _statement(where, model["rawSql"], {}, rule=True)
