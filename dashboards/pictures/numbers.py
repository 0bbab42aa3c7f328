"""Panels of a few numbers: stat, bar gauge, pie and bar chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.ticker import FuncFormatter, MaxNLocator

from dashboards.pictures import fields, look, page, units
from dashboards.pictures.answers import Shown
from dashboards.pictures.page import Box, Page

_LARGEST: Final = 34  # letters of a stat, in pixels


def stat(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw each column's number, as large as fits."""
    [answer] = shown.answers.values()
    row: Sequence[Any] = answer.rows[-1]
    each = box.width / len(row)
    texts, colours = [], []
    for name, value in zip(answer.names, row, strict=True):
        field, number = fields.of_column(shown.panel, name), None if value is None else float(value)
        texts.append(units.shown(number, field.unit, shown.now))
        colours.append(field.colour(number))
    widest = max(page.width(text, _LARGEST, bold=True) for text in texts)
    size = min(_LARGEST, _LARGEST * (each - 16) / widest)
    for at, (name, text, colour) in enumerate(zip(answer.names, texts, colours, strict=True)):
        middle = box.left + each * (at + 0.5)
        alone = len(row) == 1
        if not alone:
            drawn.text((middle, box.top + 16), name, colour=look.PALE, side="center", most=each - 8)
        drawn.text(
            (middle, box.top + box.height * (0.5 if alone else 0.62)),
            text,
            size=size,
            colour=colour,
            bold=True,
            side="center",
        )


def bargauge(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw a line for each name: it, a bar beneath, and the number."""
    [answer] = shown.answers.values()
    field = fields.of_column(shown.panel, answer.names[1])
    rows = [(str(row[0]), float(row[1] or 0)) for row in answer.rows]
    most = max((value for _, value in rows), default=0) or 1
    each = min(72.0, box.height / len(rows))
    numbers = max(page.width(units.shown(value, field.unit), look.TITLE, bold=True) for _, value in rows) + 12
    for at, (name, value) in enumerate(rows):
        top = box.top + at * each
        drawn.text((box.left, top + each * 0.22), name, most=box.width)
        bar = Box(box.left, top + each * 0.42, box.width - numbers, each * 0.42)
        drawn.box(bar, look.TRACK)
        drawn.box(Box(bar.left, bar.top, bar.width * value / most, bar.height), look.PALETTE[at % len(look.PALETTE)])
        text = units.shown(value, field.unit)
        drawn.text((box.right, bar.top + bar.height / 2), text, size=look.TITLE, bold=True, side="right")


def piechart(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw a ring, and on its right names, numbers and shares."""
    [answer] = shown.answers.values()
    rows = [(str(row[0]), float(row[1] or 0)) for row in answer.rows]
    whole = sum(value for _, value in rows) or 1
    across = min(box.height, box.width * 0.45)
    middle = (box.left + across / 2 + 10, box.top + box.height / 2)
    reached = 0.0
    fits = max(1, int(box.height // 26) - 1)
    left = box.left + across + 40
    field = fields.of_column(shown.panel, answer.names[1])
    for x, text in ((box.right - 80, "Value"), (box.right, "Percent")):
        drawn.text((x, box.top + 10), text, size=look.SMALL, colour=look.PALE, side="right")
    for at, (name, value) in enumerate(rows):
        colour = look.PALETTE[at % len(look.PALETTE)]
        drawn.ring(middle, across / 2 - 4, across * 0.2, (reached / whole, (reached + value) / whole), colour)
        reached += value
        y = box.top + 10 + 26 * (at + 1)
        if at < fits:
            drawn.box(Box(left, y - 2, 16, 4), colour)
            drawn.text((left + 24, y), name, most=box.right - 170 - left)
            drawn.text((box.right - 80, y), units.shown(value, field.unit), side="right")
            drawn.text((box.right, y), units.shown(value / whole, "percentunit"), side="right")


def barchart(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw a bar for each name, stacked of the columns."""
    [answer] = shown.answers.values()
    names, series = [str(row[0]) for row in answer.rows], answer.names[1:]
    unit = fields.of_column(shown.panel, series[0]).unit
    columns = [[float(row[at] or 0) for row in answer.rows] for at in range(1, len(answer.names))]
    top = max(map(sum, zip(*columns, strict=True)), default=1) * 1.08
    ticks = [tick for tick in MaxNLocator(5).tick_values(0, top) if 0 <= tick <= top]
    labels = [units.shown(float(tick), unit) for tick in ticks]
    place = box.cut(left=max(map(page.width, labels)) + 10, top=6, bottom=52)
    axes = drawn.axes(place)
    base = [0.0] * len(names)
    for at, values in enumerate(columns):
        axes.bar(range(len(names)), values, 0.62, bottom=base, color=look.PALETTE[at % len(look.PALETTE)])
        base = [low + value for low, value in zip(base, values, strict=True)]
    axes.set_xlim(-0.5, max(len(names), 3) - 0.5)
    axes.set_ylim(0, top)
    axes.set_xticks([])
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.shown(value, unit)))
    axes.grid(axis="y", color=look.GRID, linewidth=0.8)
    each = place.width / max(len(names), 3)
    for at, name in enumerate(names):
        middle = (place.left + each * (at + 0.5), place.bottom + 12)
        drawn.text(middle, name, size=look.SMALL, colour=look.PALE, side="center", most=each - 4)
    names_of_colours(drawn, Box(box.left, box.bottom - 24, box.width, 24), list(series))


def names_of_colours(drawn: Page, box: Box, names: Sequence[str], colours: Sequence[str] = look.PALETTE) -> None:
    """Write what colours mean, in one line; say how many do not fit."""
    left, middle = box.left, box.top + box.height / 2
    for at, name in enumerate(names):
        takes = page.width(name) + 40
        if left + takes > box.right - 60:
            drawn.text((left, middle), f"+ {len(names) - at} more", size=look.SMALL, colour=look.PALE)
            return
        drawn.box(Box(left, middle - 2, 16, 4), colours[at % len(colours)])
        drawn.text((left + 22, middle), name, most=box.right - left - 22)
        left += takes
