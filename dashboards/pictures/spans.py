"""A trace as bars in the order of its calls, and who called whom as circles and arrows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dashboards.pictures import look, page, units
from dashboards.pictures.answers import Shown
from dashboards.pictures.page import Box, Page
from dashboards.validate.shapes import Answer

_LINE: Final = 26  # pixels of a span
_NAMES: Final = 0.34  # of the width
_INDENT: Final = 18
_RADIUS: Final = 34  # of a node


def traces(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw the spans that fit, each below the one that called it."""
    [answer] = shown.answers.values()
    spans = list(_ordered(_rows(answer)))
    begin = min(span["startTime"] for _, span in spans)
    length = max(span["startTime"] + span["duration"] for _, span in spans) - begin or 1
    bars = Box(box.left + box.width * _NAMES, box.top + 26, box.width * (1 - _NAMES) - 84, box.height - 26)
    for at in range(5):
        across = bars.left + bars.width * at / 4
        text = units.shown(length * at / 4, "ms")
        drawn.text((across, box.top + 10), text, size=look.SMALL, colour=look.PALE, side="center")
        drawn.line((across, bars.top), (across, box.bottom))
    services = list(dict.fromkeys(span["serviceName"] for _, span in spans))
    fits = int(bars.height // _LINE)
    kept = spans if len(spans) <= fits else spans[: fits - 1]
    for at, (depth, span) in enumerate(kept):
        middle = bars.top + _LINE * (at + 0.5)
        colour = look.PALETTE[services.index(span["serviceName"]) % len(look.PALETTE)]
        _name(drawn, Box(box.left + _INDENT * depth, middle, bars.left - box.left - _INDENT * depth - 24, 0), span)
        left = bars.left + bars.width * (span["startTime"] - begin) / length
        wide = max(bars.width * span["duration"] / length, 3)
        drawn.box(Box(left, middle - 7, wide, 14), colour, corner=2)
        place = (left + wide + 6, middle)
        drawn.text(place, units.shown(span["duration"], "ms"), size=look.SMALL, colour=look.PALE)
    if len(kept) < len(spans):
        place = (box.left, bars.top + _LINE * (len(kept) + 0.5))
        drawn.text(place, f"… and {len(spans) - len(kept)} more", size=look.SMALL, colour=look.PALE)


def _name(drawn: Page, place: Box, span: Mapping[str, Any]) -> None:
    """Write the service and the span's name, and mark one that failed."""
    left = place.left
    if span.get("statusCode") == 2:  # noqa: PLR2004 - as the traces panel takes it
        drawn.disc((left + 6, place.top), 6, look.NAMED["red"])
        drawn.text((left + 6, place.top), "!", size=10, colour=look.PANEL, bold=True, side="center")
        left += 18
    drawn.text((left, place.top), span["serviceName"], bold=True, most=place.right - left)
    left += page.width(span["serviceName"], bold=True) + 10
    if left < place.right - 20:
        drawn.text((left, place.top), span["operationName"], colour=look.PALE, most=place.right - left)


def _ordered(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield spans and how deep they lie; a span whose caller is not there stands at the top."""
    below: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    known = {row["spanID"] for row in rows}
    for row in rows:
        below[row["parentSpanID"] if row["parentSpanID"] in known else ""].append(row)
    waiting = [(0, row) for row in reversed(below[""])]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        waiting += [(depth + 1, each) for each in reversed(below[row["spanID"]])]


def node_graph(drawn: Page, box: Box, shown: Shown) -> None:
    """Draw each layer of callers above those whom they call."""
    nodes, edges = _rows(shown.answers["nodes"]), _rows(shown.answers["edges"])
    places, apart = _places([row["id"] for row in nodes], [(row["source"], row["target"]) for row in edges], box)
    for row in edges:
        begin, end = _between(places[row["source"]], places[row["target"]])
        drawn.arrow(begin, end)
        middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
        wide = page.width(row["mainstat"], look.SMALL) + 8
        drawn.box(Box(middle[0] - wide / 2, middle[1] - 9, wide, 18), look.PANEL)
        drawn.text(middle, row["mainstat"], size=look.SMALL, colour=look.PALE, side="center")
    for row in nodes:
        _node(drawn, places[row["id"]], row, apart[row["id"]] - 6)


def _node(drawn: Page, middle: tuple[float, float], row: Mapping[str, Any], most: float) -> None:
    drawn.disc(middle, _RADIUS, look.PANEL)
    drawn.ring(middle, _RADIUS, 5, (0, row["arc__ok"]), look.NAMED["green"])
    drawn.ring(middle, _RADIUS, 5, (row["arc__ok"], 1), look.NAMED["red"])
    for lift, name, size in ((-7, "mainstat", 12), (9, "secondarystat", 10.5)):
        text = (middle[0], middle[1] + lift)
        drawn.text(text, row[name], size=size, side="center", most=2 * _RADIUS - 10)
    for below, name, colour in ((14, "title", look.INK), (31, "subtitle", look.PALE)):
        place = (middle[0], middle[1] + _RADIUS + below)
        drawn.text(place, row[name], size=look.SMALL, colour=colour, side="center", most=most)


def _places(
    nodes: Sequence[str], edges: Sequence[tuple[str, str]], box: Box
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Put each node a layer below the one that calls it first; tell how far each is from its neighbours, too."""
    layers = _layers(nodes, edges)
    many = max(layers.values(), default=0) + 1
    by_layer = [[node for node in nodes if layers[node] == at] for at in range(many)]
    found, apart = {}, {}
    down = (box.height - 2 * _RADIUS - 44) / max(many - 1, 1)
    for at, layer in enumerate(by_layer):
        for number, node in enumerate(layer):
            across = box.left + box.width * (number + 0.5) / len(layer)
            apart[node] = box.width / len(layer)
            found[node] = (across, box.top + _RADIUS + 2 + down * at)
    return found, apart


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return how many calls away from a beginning each node is."""
    called = {target for _, target in edges}
    found = {node: 0 for node in nodes if node not in called} or dict.fromkeys(nodes[:1], 0)
    waiting = list(found)
    while waiting:
        node = waiting.pop(0)
        for source, target in edges:
            if source == node and target not in found:
                found[target] = found[node] + 1
                waiting.append(target)
    return {node: found.get(node, 0) for node in nodes}


def _between(
    source: tuple[float, float], target: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where an arrow leaves the one circle and reaches the other; it begins below what is written there."""
    begin = (source[0], source[1] + _RADIUS + 40) if target[1] > source[1] else source
    across, down = target[0] - begin[0], target[1] - begin[1]
    far = math.hypot(across, down) or 1
    part = (far - _RADIUS - 2) / far
    return begin, (begin[0] + across * part, begin[1] + down * part)


def _rows(answer: Answer) -> list[dict[str, Any]]:
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]
