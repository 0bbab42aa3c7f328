"""Tables: what fits of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboards.pictures import fields, look, page, units
from dashboards.pictures.answers import Shown
from dashboards.pictures.fields import Field
from dashboards.pictures.page import Box, Page

_LINE: Final = 21  # pixels
_SIZES: Final = [look.TEXT, look.TEXT - 1, look.TEXT - 2]  # of letters: the largest with which all fits
_SPACE: Final = 11  # above and below, together
_SIDE: Final = 8
_WRAPPED: Final = look.TEXT - 1  # of letters where lines are wrapped
_LINES: Final = 4  # of a text that is wrapped
_LEAST, _MOST = 56, 460  # pixels of a column whose width nobody gave
_ROWS: Final = 60  # more fit on no panel


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    field: Field
    right: bool
    texts: list[str]
    colours: list[str]
    left: float = 0
    width: float = 0


def table(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw the rows that fit, and say how many others there are."""
    [answer] = shown.answers.values()
    wraps = bool(shown.panel["fieldConfig"]["defaults"]["custom"].get("cellOptions", {}).get("wrapText"))
    found = list(_columns(shown))
    sizes = [_WRAPPED] if wraps else _SIZES
    size = next((each for each in sizes if sum(_wanted(found, each)) <= box.width), sizes[-1])
    columns = _placed(found, box, size)
    for column in columns:
        _cell(drawn, column, column.name, (box.top + 13, size), look.PALE, bold=True)
    top = box.top + 27
    for number in range(min(len(answer.rows), _ROWS)):
        lines = [_lines(column, column.texts[number], size, wraps=wraps) for column in columns]
        height = _SPACE + _LINE * max(map(len, lines), default=1)
        left_over = len(answer.rows) - number
        if top + height + (_LINE if left_over > 1 else 0) > box.bottom + 2:
            place = (box.left + _SIDE, min(top + 13, box.bottom - 6))
            drawn.text(place, f"… and {left_over} more", size=look.SMALL, colour=look.PALE)
            return
        drawn.line((box.left, top), (box.right, top))
        for column, texts in zip(columns, lines, strict=True):
            for line, text in enumerate(texts):
                middle = top + _SPACE / 2 + _LINE * (line + 0.5)
                _cell(drawn, column, text, (middle, size), column.colours[number])
        top += height


def _columns(shown: Shown) -> Iterator[_Column]:
    [answer] = shown.answers.values()
    rows = answer.rows[:_ROWS]
    for at, (name, kind) in enumerate(answer.kinds().items()):
        field = fields.of_column(shown.panel, name, kind)
        if field.hidden:
            continue
        values = [row[at] for row in rows]
        texts = [_text(value, kind, field, shown.context.until) for value in values]
        colours = [look.LINK if field.leads else _colour(value, kind, field) for value in values]
        yield _Column(name, field, kind == "number", texts, colours)


def _text(value: Any, kind: str, field: Field, now: float) -> str:
    if value is None or value == "":
        return units.NOTHING if value is None else ""
    if kind == "number":
        return units.shown(float(value), field.unit, now)
    return str(value)[:19] if kind == "time" else str(value)


def _colour(value: Any, kind: str, field: Field) -> str:
    return (
        field.step(float(value)) if kind == "number" and value is not None and field.mode == "thresholds" else look.INK
    )


def _placed(columns: list[_Column], box: Box, size: float) -> list[_Column]:
    """Give each column its place: what it was given, what its texts take, and a share of what is left."""
    wanted, names = _wanted(columns, size), _names(columns, size)
    if sum(wanted) > box.width:
        widths = _narrowed(wanted, names, box.width)
    else:
        free = [not each.field.width for each in columns]
        extra = (box.width - sum(wanted)) / (sum(free) or 1)
        widths = [want + extra * grows for want, grows in zip(wanted, free, strict=True)]
    lefts = itertools.accumulate(widths, initial=box.left)
    return [
        _Column(each.name, each.field, each.right, each.texts, each.colours, left, width)
        for each, left, width in zip(columns, lefts, widths, strict=False)
    ]


def _wanted(columns: Sequence[_Column], size: float) -> list[float]:
    """Return the widths that were given, else those that names and texts take."""
    texts = (max((page.width(text, size) for text in each.texts[:20]), default=0) for each in columns)
    wide = [each.field.width or _bounded(text) for each, text in zip(columns, texts, strict=True)]
    return [max(want, name) for want, name in zip(wide, _names(columns, size), strict=True)]


def _names(columns: Sequence[_Column], size: float) -> list[float]:
    return [page.width(each.name, size, bold=True) + 2 * _SIDE for each in columns]


def _narrowed(wanted: Sequence[float], least: Sequence[float], room: float) -> list[float]:
    """Let the widest columns give until all fit: none is wider than a number of pixels that is looked for."""
    low, high = 0.0, max(wanted)
    for _ in range(30):
        most = (low + high) / 2
        total = sum(max(some, min(want, most)) for want, some in zip(wanted, least, strict=True))
        low, high = (most, high) if total <= room else (low, most)
    return [max(some, min(want, low)) for want, some in zip(wanted, least, strict=True)]


def _bounded(pixels: float) -> float:
    return min(max(pixels + 2 * _SIDE, _LEAST), _MOST)


def _lines(column: _Column, text: str, size: float, *, wraps: bool) -> list[str]:
    room = column.width - 2 * _SIDE
    if not wraps or column.right:
        return [page.fitting(text, room, size)]
    lines = list(page.wrapped(text, room, size))
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], page.fitting(lines[_LINES - 1] + " …", room, size)]
    return lines or [""]


def _cell(
    drawn: Page, column: _Column, text: str, place: tuple[float, float], colour: str, *, bold: bool = False
) -> None:
    """Write a line into a cell; `place` is the middle of its height and the size of letters."""
    middle, size = place
    left = column.left + column.width - _SIDE if column.right else column.left + _SIDE
    side = "right" if column.right else "left"
    room = column.width - 2 * _SIDE
    drawn.text((left, middle), text, size=size, colour=colour, bold=bold, side=side, most=room + 1)
