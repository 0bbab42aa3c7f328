"""How a column of an answer is shown, by a panel's defaults and overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.pictures import look

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    Attributes:
        unit: Grafana's id.
        steps: (from which value on, colour), lowest first.
        mode: of its colour: `fixed`, `thresholds` or `palette-classic`.
        fixed: the colour of the first.
        hidden: it is there for links only.
        width: pixels, 0 for what is left.
        on_the_right: it has an axis of its own.
        leads: a value is a link.
    """

    unit: str
    steps: tuple[tuple[float, str], ...]
    mode: str
    fixed: str = ""
    hidden: bool = False
    width: int = 0
    on_the_right: bool = False
    leads: bool = False

    def colour(self, value: float | None) -> str:
        """Return the colour of a value that is shown as a text."""
        if self.mode == "fixed":
            return look.NAMED.get(self.fixed, look.INK)
        if self.mode == "thresholds" and value is not None:
            return self.step(value)
        return look.INK

    def step(self, value: float) -> str:
        """Return the colour of the highest threshold that a value reaches."""
        reached = [colour for least, colour in self.steps if value >= least]
        return look.NAMED.get(reached[-1], look.INK) if reached else look.INK


def of_column(panel: Json, name: str, kind: str = "number") -> Field:
    """Return how a panel shows a column, which has values of this kind (as `Answer.kinds` calls them)."""
    defaults = panel["fieldConfig"]["defaults"]
    given: dict[str, Any] = {
        "unit": defaults.get("unit", "short"),
        "thresholds": defaults["thresholds"],
        "color": defaults["color"],
        "links": defaults.get("links"),
    }
    for override in panel["fieldConfig"]["overrides"]:
        if _is_meant(override["matcher"], name, kind):
            given |= {each["id"]: each["value"] for each in override["properties"]}
    steps = tuple(
        (float("-inf") if each["value"] is None else float(each["value"]), each["color"])
        for each in given["thresholds"]["steps"]
    )
    hide = given.get("custom.hideFrom", {})
    return Field(
        unit=given["unit"],
        steps=steps,
        mode=given["color"]["mode"],
        fixed=given["color"].get("fixedColor", ""),
        hidden=bool(given.get("custom.hidden") or hide.get("viz")),
        width=given.get("custom.width", 0),
        on_the_right=given.get("custom.axisPlacement") == "right",
        leads=bool(given["links"]),
    )


def _is_meant(matcher: Json, name: str, kind: str) -> bool:
    match matcher["id"]:
        case "byName":
            return bool(matcher["options"] == name)
        case "byType":
            return bool({"string": "text"}.get(matcher["options"], matcher["options"]) == kind)
    return True  # byRegexp: boards have it for all columns
