"""Boards as Grafana's classic dashboard JSON, which Grafana 11.6 and newer take from files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dashboards import statements
from dashboards.model import Board, Column, Json, Panel, Row, Threshold, Variable
from dashboards.statements import Statement

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.20.0"
SCHEMA_VERSION: Final = 41
SOURCE_UID: Final = "otel-interactions"  # as it is provisioned
SOURCE: Final[Json] = {"type": PLUGIN, "uid": "${datasource}"}
TAG: Final = "otel-interactions"
COLUMNS: Final = 24
EMPTY_CELL: Final = "-"

# kind of panel -> (queryType, format) of its queries
FORMATS: Final[dict[str, tuple[str, int]]] = {
    "timeseries": ("timeseries", 0),
    "heatmap": ("timeseries", 0),
    "traces": ("traces", 3),
    **dict.fromkeys(("barchart", "bargauge", "nodeGraph", "piechart", "stat", "state-timeline", "table"), ("table", 1)),
}
_LEGEND: Final[Json] = {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"]}
_TOOLTIP: Final[Json] = {"mode": "multi", "sort": "desc"}
_REDUCED: Final[Json] = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_EACH_ROW: Final[Json] = {"calcs": [], "fields": "", "values": True}
_NAMES: Final[Json] = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
# kind of panel -> Grafana's options of it
_OPTIONS: Final[dict[str, Json]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": _TOOLTIP},
    "stat": {"reduceOptions": _REDUCED, "graphMode": "none", "textMode": "auto"},
    "bargauge": {
        "reduceOptions": _EACH_ROW,
        "orientation": "horizontal",
        "displayMode": "gradient",
        "showUnfilled": True,
    },
    "piechart": {
        "reduceOptions": _EACH_ROW,
        "pieType": "donut",
        "legend": {"showLegend": True, "displayMode": "table", "placement": "right", "values": ["value", "percent"]},
        "tooltip": _TOOLTIP,
    },
    "barchart": {"orientation": "auto", "legend": _NAMES, "tooltip": _TOOLTIP, "xTickLabelSpacing": 100},
    "state-timeline": {"mergeValues": True, "showValue": "auto", "rowHeight": 0.8, "legend": _NAMES},
    "heatmap": {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
        "yAxis": {"unit": "short"},
        "tooltip": {"mode": "single"},
    },
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
}


def dashboard(board: Board) -> Json:
    """Return a board as Grafana reads it."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": board.since, "to": "now"},
        "refresh": board.refresh,
        "links": [_siblings()],
        "annotations": {"list": []},
        "templating": {"list": [_source_variable(), *(_variable(each) for each in board.variables)]},
        "panels": list(_panels(board)),
    }


def _siblings() -> Json:
    return {
        "type": "dashboards",
        "title": "Other boards",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def _source_variable() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": PLUGIN,
        "current": {"text": SOURCE_UID, "value": SOURCE_UID, "selected": True},
        "hide": 0,
    }


def _variable(variable: Variable) -> Json:
    common: Json = {"name": variable.name, "label": variable.label, "description": variable.description, "hide": 0}
    if not variable.query:
        value = {"text": variable.default, "value": variable.default, "selected": True}
        return common | {"type": "textbox", "query": variable.default, "current": value, "options": [value]}
    sql = statements.load(variable.query, ()).sql
    return common | {
        "type": "query",
        "datasource": SOURCE,
        "query": {"refId": "variable", "editorType": "sql", "queryType": "sql", "rawSql": sql},
        "definition": sql,
        "refresh": 2,
        "sort": 0,
        "multi": variable.several,
        "allowCustomValue": False,
        "includeAll": variable.several,
        "allValue": None,
        "current": {"text": ["All"], "value": ["$__all"], "selected": True} if variable.several else {},
        "options": [],
    }


def _panels(board: Board) -> Iterator[Json]:
    """Yield headings and panels: from left to right, then down; each with a number of its own."""
    number, top = 1, 0
    for row in board.rows:
        yield _heading(row, number, top)
        number, top = number + 1, top + 1
        for panel, left, below in _placed(row.panels):
            place = {"x": left, "y": top + below, "w": panel.width, "h": panel.height}
            yield _panel(panel, board) | {"id": number, "gridPos": place}
            number += 1
        top += sum(height for height in _heights(row.panels))


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in panels:
        if line and sum(each.width for each in line) + panel.width > COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def _heights(panels: Sequence[Panel]) -> list[int]:
    return [max(each.height for each in line) for line in _lines(panels)]


def _placed(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    below = 0
    for line, height in zip(_lines(panels), _heights(panels), strict=True):
        left = 0
        for panel in line:
            yield panel, left, below
            left += panel.width
        below += height


def _heading(row: Row, number: int, top: int) -> Json:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {"type": "row", "title": row.title, "id": number, "gridPos": place, "collapsed": False, "panels": []}


def _panel(panel: Panel, board: Board) -> Json:
    common: Json = {"type": panel.kind, "title": panel.title, "transparent": False}
    asked = {letter: statements.load(name, board.names) for letter, name in panel.queries.items()}
    by_series = any(" AS series" in each.sql for each in asked.values())
    return common | {
        "description": " ".join(
            [*dict.fromkeys(each.words for each in asked.values()), *_unheard(board, asked.values())]
        ),
        "datasource": SOURCE,
        "targets": [_target(letter, each.sql, panel) for letter, each in asked.items()],
        "fieldConfig": {
            "defaults": _defaults(panel, by_series=by_series),
            "overrides": list(_overrides(panel)),
        },
        "options": _options(panel),
    }


def _unheard(board: Board, asked: Iterable[Statement]) -> Iterator[str]:
    """Yield a sentence on those filters above the board that the panel does not obey."""
    whole = " ".join(each.sql for each in asked)
    labels = [v.label for v in board.variables if v.filters and f"{{{v.name}:" not in whole]
    if labels:
        yield f"Whatever is chosen as {', '.join(labels)}."


def _target(letter: str, sql: str, panel: Panel) -> Json:
    query_type, code = FORMATS["table" if panel.exemplars else panel.kind]
    return {
        "refId": letter,
        "datasource": SOURCE,
        "pluginVersion": PLUGIN_VERSION,
        "editorType": "sql",
        "queryType": query_type,
        "format": code,
        "rawSql": sql,
        "meta": {},
    }


def _defaults(panel: Panel, *, by_series: bool) -> Json:
    made: Json = {
        "unit": panel.unit,
        "noValue": panel.hint,
        "color": _colour(panel),
        "thresholds": _steps(panel.thresholds),
        "custom": _custom(panel),
    }
    if panel.exemplars:
        made["links"] = [_link(*panel.exemplars)]
    if panel.kind == "timeseries" and by_series:
        made["displayName"] = "${__field.labels.series}"  # else the number's name stands before it
    for name, value in (("min", None if panel.log else panel.least), ("max", panel.most)):
        if value is not None and panel.kind in {"timeseries", "barchart", "bargauge"}:
            made[name] = value
    return made


def _colour(panel: Panel) -> Json:
    if panel.thresholds and panel.kind != "timeseries":  # whose lines could not be told apart, and has dashes there
        return {"mode": "thresholds"}
    plain = panel.kind == "stat"  # numbers that have thresholds of their own are coloured
    return {"mode": "fixed", "fixedColor": "text"} if plain else {"mode": "palette-classic"}


def _overrides(panel: Panel) -> Iterator[Json]:
    """Yield how columns are shown; the hint is for a panel without rows, and not for each empty cell."""
    if panel.kind in {"table", "stat"}:
        empty = {"id": "noValue", "value": EMPTY_CELL}
        yield {"matcher": {"id": "byRegexp", "options": "/.*/"}, "properties": [empty]}
    if panel.exemplars:  # the texts that its links take
        unseen = {"id": "custom.hideFrom", "value": {"legend": True, "tooltip": True, "viz": True}}
        yield {"matcher": {"id": "byType", "options": "string"}, "properties": [unseen]}
    for column in panel.columns:
        yield _override(column, cells=panel.kind == "table")


def _steps(thresholds: Sequence[Threshold]) -> Json:
    steps = [{"value": each.value, "color": each.colour} for each in thresholds] or [{"value": 0, "color": "text"}]
    return {"mode": "absolute", "steps": [steps[0] | {"value": None}, *steps[1:]]}


def _custom(panel: Panel) -> Json:
    match panel.kind:
        case "timeseries":
            bars = panel.bars
            scale = {"scaleDistribution": {"type": "log", "log": 10}} if panel.log else {}
            return scale | {
                "drawStyle": "bars" if bars else "line",
                "fillOpacity": 70 if bars else 12,
                "lineWidth": 1,
                "showPoints": "auto",
                "spanNulls": False,
                "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
            }
        case "table":
            return {
                "align": "auto",
                "filterable": True,
                "cellOptions": {"type": "auto", "wrapText": panel.shows_content},
            }
        case "state-timeline":
            return {"fillOpacity": 70, "lineWidth": 0, "spanNulls": False}
        case "barchart":
            return {"fillOpacity": 80, "lineWidth": 1}
        case _:
            return {}


def _options(panel: Panel) -> Json:
    mode: Json = {}
    if panel.kind == "stat":
        mode = {"colorMode": "value"}
    elif panel.kind == "barchart":
        mode = {"stacking": "normal" if panel.stacked else "none"}
    return _OPTIONS.get(panel.kind, {}) | mode


def _override(column: Column, *, cells: bool) -> Json:
    found: list[tuple[str, object]] = []
    if column.unit:
        found.append(("unit", column.unit))
    if column.link:
        found.append(("links", [_link(*column.link)]))
    if column.hidden:
        found.append(("custom.hidden", True))
    if column.width:
        found.append(("custom.width", column.width))
    if column.colour:
        found.append(("color", {"mode": "fixed", "fixedColor": column.colour}))
    if column.axis:
        found.append(("custom.axisPlacement", column.axis))
    if column.thresholds:
        found += [("thresholds", _steps(column.thresholds)), ("color", {"mode": "thresholds"})]
    if column.thresholds and cells:
        found.append(("custom.cellOptions", {"type": "color-text"}))
    properties = [{"id": name, "value": value} for name, value in found]
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


def _link(title: str, url: str) -> Json:
    return {"title": title, "url": url, "targetBlank": False}
