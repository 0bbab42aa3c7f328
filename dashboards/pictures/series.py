"""Panels with a time: series, heat map and timeline of states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from dashboards.pictures import fields, look, page, units
from dashboards.pictures.answers import Shown
from dashboards.pictures.fields import Field
from dashboards.pictures.numbers import names_of_colours
from dashboards.pictures.page import Box, Page
from dashboards.validate.shapes import Answer

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)  # seconds
_DAY: Final = 86_400
_LABEL: Final = 105  # pixels that a time on an axis takes
_LEGEND_LINE: Final = 22
_LINES: Final = 5  # of a legend
_WIDE: Final = 700  # from so many pixels on a legend has two columns
_STACKED: Final = 1.08  # room above what is highest


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name, its points (None where there is none) and how it is shown."""

    name: str
    values: list[float | None]
    field: Field
    colour: str

    @property
    def known(self) -> list[float]:
        """The values that there are."""
        return [each for each in self.values if each is not None]


def timeseries(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw lines or bars, and what they are called."""
    [answer] = shown.answers.values()
    custom, defaults = shown.panel["fieldConfig"]["defaults"]["custom"], shown.panel["fieldConfig"]["defaults"]
    times, lines = _lines(shown.panel, answer)
    rows = min(_LINES, math.ceil(len(lines) / (2 if box.width > _WIDE else 1)))
    legend = Box(box.left, box.bottom - (rows + 1) * _LEGEND_LINE, box.width, (rows + 1) * _LEGEND_LINE)
    stacked, bars = custom["stacking"]["mode"] == "normal", custom["drawStyle"] == "bars"
    sides = [[each for each in lines if each.field.on_the_right is right] for right in (False, True)]
    log = "scaleDistribution" in custom
    limits = [_decades(each) if log else _limits(each, len(times), defaults, stacked=stacked) for each in sides]
    ticks = [_ticks_of(each, limit, log=log) for each, limit in zip(sides, limits, strict=True)]
    room = [_room(each, at) for each, at in zip(sides, ticks, strict=True)]
    place = Box(box.left + room[0], box.top + 6, box.width - sum(room), legend.top - 28 - box.top)
    for number, (side, limit) in enumerate(zip(sides, limits, strict=True)):
        if side:
            axes = drawn.axes(place)
            axes.set_yscale("log" if log else "linear")
            _scale(axes, limit, ticks[number], side[0].field.unit, right=bool(number))
            _draw(axes, times, side, (bars, stacked, custom["fillOpacity"] / 100))
            if custom["thresholdsStyle"]["mode"] == "dashed" and not number:
                _thresholds(axes, side[0].field, limit)
            _time_axis(drawn, axes, place, shown)
    _legend(drawn, legend, lines)


def _lines(panel: Mapping[str, Any], answer: Answer) -> tuple[list[float], list[Line]]:
    """Return the times and the series, whether each is a column or they are told apart by a label."""
    kinds = answer.kinds()
    unseen = {name for name, kind in kinds.items() if fields.of_column(panel, name, kind).hidden}
    moments = [seconds(row[0]) for row in answer.rows]
    times = sorted(set(moments))
    values: dict[str, dict[float, float | None]] = {}
    label = list(answer.names).index("series") if "series" in kinds and "series" not in unseen else None
    for at, (name, kind) in enumerate(kinds.items()):
        if kind != "number" or name in unseen:
            continue
        for when, row in zip(moments, answer.rows, strict=True):
            of = str(row[label]) if label is not None else name
            values.setdefault(of, {})[when] = None if row[at] is None else float(row[at])
    if label is not None:  # told apart by a text, they come in any order at one time
        values = dict(sorted(values.items(), key=lambda each: (min(each[1]), each[0])))
    found = []
    for at, (name, points) in enumerate(values.items()):
        field = fields.of_column(panel, name)
        line = [points.get(when) for when in times]
        found.append(Line(name, line, field, _colour(field, line, look.PALETTE[at % len(look.PALETTE)])))
    return times, found


def _colour(field: Field, values: Sequence[float | None], usual: str) -> str:
    known = [each for each in values if each is not None]
    if field.mode == "fixed":
        return look.NAMED.get(field.fixed, usual)
    return field.step(known[-1]) if field.mode == "thresholds" and known else usual


def _limits(lines: Sequence[Line], count: int, defaults: Mapping[str, Any], *, stacked: bool) -> tuple[float, float]:
    if stacked:
        high = max((sum(line.values[at] or 0 for line in lines) for at in range(count)), default=1)
    else:
        high = max((value for line in lines for value in line.known), default=1)
    low = min((value for line in lines for value in line.known), default=0)
    top = defaults.get("max", (high or 1) * _STACKED)
    return defaults.get("min", min(low, 0)), max(top, high * 1.001)


def _decades(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the powers of ten around what is above 0: nothing else is on a logarithmic axis."""
    known = [value for line in lines for value in line.known if value > 0] or [1.0]
    return 10.0 ** math.floor(math.log10(min(known))), 10.0 ** math.ceil(math.log10(max(known) * 1.001))


def _ticks_of(lines: Sequence[Line], limit: tuple[float, float], *, log: bool) -> list[float]:
    if not lines:
        return []
    if log:
        first, last = (round(math.log10(each)) for each in limit)
        return [10.0**power for power in range(first, last + 1)]
    return _ticks(limit, lines[0].field.unit)


def _ticks(limit: tuple[float, float], unit: str) -> list[float]:
    """Return four or five places whose labels are round in their unit."""
    low, high = limit
    size = {"ms": _of_time(high / 1000) * 1000, "s": _of_time(high), "bytes": _of_bytes(high)}.get(unit, 1.0)
    step = _round((high - low) / size / 4) * size
    return [low + step * at for at in range(int((high - low) / step + 1e-9) + 1)]


def _of_time(high: float) -> float:
    return next((each for each in (_DAY, 3600, 60) if high >= each), 1)


def _of_bytes(high: float) -> float:
    return float(next((each for each in (2**40, 2**30, 2**20, 2**10) if high >= each), 1))


def _round(step: float) -> float:
    power = 10 ** math.floor(math.log10(step))
    return float(power * next(each for each in (1, 2, 2.5, 5, 10) if step <= each * power * 1.0001))


def _room(lines: Sequence[Line], ticks: Sequence[float]) -> float:
    if not lines:
        return 8
    unit = lines[0].field.unit
    return max(page.width(units.shown(tick, unit), look.SMALL) for tick in ticks) + 12


def _scale(axes: Axes, limit: tuple[float, float], ticks: Sequence[float], unit: str, *, right: bool) -> None:
    axes.set_ylim(*limit)
    axes.set_yticks(ticks, [units.shown(tick, unit) for tick in ticks])
    axes.minorticks_off()
    if right:
        axes.yaxis.tick_right()
    else:
        axes.grid(axis="y", color=look.GRID, linewidth=0.8)


def _draw(axes: Axes, times: list[float], lines: Sequence[Line], how: tuple[bool, bool, float]) -> None:
    bars, stacked, opacity = how
    apart = min((after - before for before, after in pairwise(times)), default=0)
    base = [0.0] * len(times)
    for line in lines:
        gaps = [math.nan if each is None else each for each in line.values]
        if bars:
            wide = (apart or _DAY) * 0.85
            heights = [each or 0 for each in line.values]
            tiles = [(x - wide / 2, low, wide, high) for x, low, high in zip(times, base, heights, strict=True) if high]
            _tiles(axes, tiles, [line.colour] * len(tiles), alpha=0.85)
            if stacked:
                base = [low + height for low, height in zip(base, heights, strict=True)]
        else:
            axes.plot(times, gaps, color=line.colour, lw=1.1)
            axes.fill_between(times, gaps, color=line.colour, alpha=opacity * 0.8, lw=0)
            alone = _alone(line.values)
            axes.plot([times[at] for at in alone], [gaps[at] for at in alone], "o", color=line.colour, ms=2.6)


def _alone(values: Sequence[float | None]) -> list[int]:
    """Return the points that no line leads to."""
    around = [None, *values, None]
    return [at for at, each in enumerate(values) if each is not None and around[at] is None and around[at + 2] is None]


def _thresholds(axes: Axes, field: Field, limit: tuple[float, float]) -> None:
    for value, colour in field.steps:
        if limit[0] < value < limit[1]:
            axes.axhline(value, color=look.NAMED.get(colour, look.INK), lw=1, ls=(0, (5, 4)))


def _time_axis(drawn: Page, axes: Axes, place: Box, shown: Shown) -> None:
    since, until = shown.context.since, shown.context.until
    axes.set_xlim(since, until)
    axes.set_xticks([])
    ticks, pattern = _moments(since, until, place.width)
    for tick in ticks:
        across = place.left + place.width * (tick - since) / (until - since)
        if place.left + 20 < across < place.right - 20:
            text = units.moment(tick, pattern)
            drawn.text((across, place.bottom + 13), text, size=look.SMALL, colour=look.PALE, side="center")


def _moments(since: float, until: float, width: float) -> tuple[list[float], str]:
    """Return round times, so many as can be read, and how they are written."""
    least = (until - since) * _LABEL / width
    step = next((each for each in _STEPS if each >= least), math.ceil(least / _DAY) * _DAY)
    first = math.ceil(since / step) * step
    pattern = "%T" if step < 60 else "%m-%d" if step >= _DAY else "%m-%d %H:%M" if until - since > 2 * _DAY else "%H:%M"  # noqa: PLR2004
    return [first + step * at for at in range(int((until - first) / step) + 1)], pattern


def _legend(drawn: Page, box: Box, lines: Sequence[Line]) -> None:
    """Write names, means and maxima in one or two columns, as many as fit."""
    many = 2 if box.width > _WIDE and len(lines) > 1 else 1
    rows = min(_LINES, math.ceil(len(lines) / many))
    each = (box.width - 24 * (many - 1)) / many
    numbers = [_mean_and_most(line) for line in lines]
    most = max(page.width(text) for texts in numbers for text in (*texts, "Mean")) + 16
    for column in range(many):
        right = box.left + column * (each + 24) + each
        for x, text in ((right - most, "Mean"), (right, "Max")):
            drawn.text((x, box.top + 10), text, size=look.SMALL, colour=look.PALE, side="right")
    fits = rows * many
    named = lines if len(lines) <= fits else lines[: fits - 1]
    for at, line in enumerate(named):
        left, middle = box.left + (at // rows) * (each + 24), box.top + 10 + _LEGEND_LINE * (at % rows + 1)
        drawn.box(Box(left, middle - 2, 16, 4), line.colour)
        drawn.text((left + 24, middle), line.name, most=each - 2 * most - 20)
        for x, text in zip((left + each - most, left + each), numbers[at], strict=True):
            drawn.text((x, middle), text, side="right")
    if len(named) < len(lines):
        left, middle = box.left + (many - 1) * (each + 24), box.top + 10 + _LEGEND_LINE * rows
        drawn.text((left + 24, middle), f"and {len(lines) - len(named)} more", size=look.SMALL, colour=look.PALE)


def _mean_and_most(line: Line) -> tuple[str, str]:
    mean = sum(line.known) / len(line.known) if line.known else None
    return units.shown(mean, line.field.unit), units.shown(max(line.known, default=None), line.field.unit)


def heatmap(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw a map of how many there were of each line at each time."""
    [answer] = shown.answers.values()
    times = [seconds(row[0]) for row in answer.rows]
    names = answer.names[1:]
    room = max(page.width(name, look.SMALL) for name in names) + 12
    place = box.cut(left=room, top=6, right=8, bottom=54)
    axes = drawn.axes(place)
    wide = shown.context.interval_ms / 1000
    most = max((float(value or 0) for row in answer.rows for value in row[1:]), default=1) or 1
    cells = [
        (when, at, float(value) / most)
        for when, row in zip(times, answer.rows, strict=True)
        for at, value in enumerate(row[1:])
        if value
    ]
    colours = [to_hex(look.heat(share)) for *_, share in cells]
    _tiles(axes, [(when, at - 0.46, wide, 0.92) for when, at, _ in cells], colours)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_yticks(range(len(names)), list(names))
    axes.hlines([at + 0.5 for at in range(len(names) - 1)], *_range(shown), color=look.GRID, lw=0.6)
    _time_axis(drawn, axes, place, shown)
    _scheme(drawn, Box(place.left, box.bottom - 14, min(220, place.width), 10), most)


def _tiles(
    axes: Axes, tiles: Sequence[tuple[float, float, float, float]], colours: Sequence[str], alpha: float = 1
) -> None:
    """Draw boxes (left, low, width, height) all at once, which takes a tenth of the time."""
    corners = [[(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)] for x, y, wide, high in tiles]
    axes.add_collection(PolyCollection(corners, facecolors=list(colours), alpha=alpha, lw=0), autolim=False)


def _scheme(drawn: Page, box: Box, most: float) -> None:
    """Show which colour is how many."""
    for at in range(20):
        colour = to_hex(look.heat(at / 19))
        drawn.box(Box(box.left + box.width * at / 20, box.top, box.width / 20 + 0.5, box.height), colour)
    drawn.text((box.right + 8, box.top + 5), f"1 to {units.number(most)} at a time", size=look.SMALL, colour=look.PALE)


def _range(shown: Shown) -> tuple[float, float]:
    return shown.context.since, shown.context.until


def states(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw a line for each column, coloured by what it says."""
    [answer] = shown.answers.values()
    times, names = [seconds(row[0]) for row in answer.rows], answer.names[1:]
    colours = _by_text(answer)
    room = max(page.width(name, look.SMALL) for name in names) + 12
    place = box.cut(left=room, top=4, right=8, bottom=58)
    since, until = _range(shown)
    each = place.height / len(names)
    for line, name in enumerate(names):
        top = place.top + each * line
        drawn.text((place.left - 8, top + each / 2), name, size=look.SMALL, colour=look.PALE, side="right")
        drawn.line((place.left, top + each), (place.right, top + each))
        values = [row[line + 1] for row in answer.rows]
        for begin, end, text in _spells(times, values, until):
            left, right = (place.left + place.width * (when - since) / (until - since) for when in (begin, end))
            bar = Box(left, top + each * 0.1, max(right - left, 2), each * 0.8)
            drawn.box(bar, colours[text])
            if bar.width > page.width(text, look.SMALL) + 8:
                place_of = (bar.left + 5, bar.top + bar.height / 2)
                drawn.text(place_of, text, size=look.SMALL, colour=look.PANEL)
    axes = drawn.axes(place)
    axes.set_yticks([])
    _time_axis(drawn, axes, place, shown)
    names_of_colours(drawn, Box(box.left, box.bottom - 26, box.width, 24), list(colours), list(colours.values()))


def _by_text(answer: Answer) -> dict[str, str]:
    texts = dict.fromkeys(str(value) for row in answer.rows for value in row[1:] if value is not None)
    return {text: look.PALETTE[at % len(look.PALETTE)] for at, text in enumerate(texts)}


def _spells(times: Sequence[float], values: Sequence[Any], until: float) -> list[tuple[float, float, str]]:
    """Return from when to when a column said the same."""
    found: list[tuple[float, float, str]] = []
    for at, value in enumerate(values):
        end = times[at + 1] if at + 1 < len(times) else until
        if value is None:
            continue
        if found and found[-1][2] == value and found[-1][1] == times[at]:
            found[-1] = (found[-1][0], end, value)
        else:
            found.append((times[at], end, str(value)))
    return found


def seconds(moment: Any) -> float:
    """Return a time of ClickHouse's (UTC) in seconds since 1970."""
    text = str(moment)
    if "." in text:
        whole, _, part = text.partition(".")
        text = f"{whole}.{part[:6]}"
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
