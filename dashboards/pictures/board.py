"""A board as a picture, in its own grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from matplotlib import rc_context

from dashboards.pictures import look, numbers, page, series, spans, tables, units
from dashboards.pictures.answers import Shown
from dashboards.pictures.page import Box, Page
from dashboards.validate.looks import COLUMNS, variables_of
from dashboards.validate.macros import ALL, Context

Json = Mapping[str, Any]
DRAWINGS: Final[Mapping[str, Callable[[Page, Box, Shown], None]]] = {
    "barchart": numbers.barchart,
    "bargauge": numbers.bargauge,
    "heatmap": series.heatmap,
    "nodeGraph": spans.node_graph,
    "piechart": numbers.piechart,
    "stat": numbers.stat,
    "state-timeline": series.states,
    "table": tables.table,
    "timeseries": series.timeseries,
    "traces": spans.traces,
}
NO_DATA: Final = "No data"


def picture(board: Json, shown: Sequence[Shown], context: Context) -> bytes:
    """Return a board as a PNG; `context` is what its panels were asked with."""
    with rc_context(page.SETTINGS):
        return drawn(board, shown, context).png()


def drawn(board: Json, shown: Sequence[Shown], context: Context) -> Page:
    """Draw a board."""
    bottom = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in board["panels"])
    sheet = Page(look.HEADER + bottom * look.UNIT + look.GAP)
    _header(sheet, board, context)
    for each in board["panels"]:
        if each["type"] == "row":
            place = _place(each)
            sheet.text((place.left + 4, place.top + place.height / 2 + 3), f"⌄  {each['title']}", size=17, bold=True)
    for each in shown:
        _panel(sheet, each)
    return sheet


def _header(sheet: Page, board: Json, context: Context) -> None:
    """Write the title, the time, and what is chosen."""
    sheet.text((look.GAP + 4, 28), board["title"], size=24, bold=True)
    since, until = (units.moment(each) for each in (context.since, context.until))
    sheet.text((look.WIDTH - look.GAP - 4, 28), f"{since} to {until} UTC", colour=look.PALE, side="right")
    left: float = look.GAP
    for name, variable in variables_of(board).items():
        if variable["type"] == "datasource":
            continue
        value = context.variables[name]
        text = "All" if value == ALL else str(value) or units.NOTHING
        label = page.width(variable["label"])
        wide = label + min(page.width(text), 330) + 30
        sheet.box(Box(left, 52, wide, 28), look.PANEL, look.LINE, 3)
        sheet.text((left + 9, 66), variable["label"], colour=look.PALE)
        sheet.text((left + label + 20, 66), text, most=331)
        left += wide + 8


def _place(panel: Json) -> Box:
    grid, column = panel["gridPos"], (look.WIDTH - look.GAP) / COLUMNS
    left, top = look.GAP + grid["x"] * column, look.HEADER + grid["y"] * look.UNIT
    return Box(left, top, grid["w"] * column - look.GAP, grid["h"] * look.UNIT - look.GAP)


def _panel(sheet: Page, shown: Shown) -> None:
    place = _place(shown.panel)
    sheet.box(place, look.PANEL, look.LINE, 3)
    middle = (place.left + look.PADDING, place.top + 19)
    sheet.text(middle, shown.panel["title"], size=look.TITLE, bold=True, most=place.width - 2 * look.PADDING)
    inside = place.cut(look.PADDING, 36, look.PADDING, 8)
    if shown.is_empty:
        hint = shown.panel["fieldConfig"]["defaults"].get("noValue") or NO_DATA
        sheet.lines(inside.cut(left=inside.width * 0.1, right=inside.width * 0.1), hint)
        return
    DRAWINGS[shown.panel["type"]](sheet, inside, shown)
