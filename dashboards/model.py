"""What a dashboard is made of, in our words; `classic.py` writes it in Grafana's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "barchart",
    "bargauge",
    "heatmap",
    "nodeGraph",
    "piechart",
    "stat",
    "state-timeline",
    "table",
    "timeseries",
    "traces",
]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which value on something has a colour."""

    value: float
    colour: str


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a result is shown, where it is not as the panel says.

    Attributes:
        name: of the column.
        unit: Grafana's id of it.
        link: (title, URL) where a value leads.
        hidden: it is there for links only.
        width: pixels, 0 for what is left.
        colour: a fixed one.
        axis: `right` for one of its own.
        thresholds: that colour its text.
    """

    name: str
    unit: str = ""
    link: tuple[str, str] | None = None
    hidden: bool = False
    width: int = 0
    colour: str = ""
    axis: Literal["", "right"] = ""
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        kind: of Grafana's panels.
        title: the heading.
        queries: names of .sql files, by Grafana's letter for each.
        unit: of its numbers.
        width: of 24.
        height: in Grafana's rows of 30 pixels.
        hint: what it says where there is nothing to show.
        columns: those that are shown in their own way.
        thresholds: lowest first; the first one's value does not count.
        shows_content: it shows what people, models, tools or errors said. Others do not even read it.
        stacked: areas or bars stand on each other.
        bars: a time series as bars.
        log: the axis is logarithmic: what is a thousand times as much is told apart from what is twice as much.
        least: where the axis begins, or None.
        most: where it ends, or None.
        exemplars: (title, URL) where each point leads. Its row has texts for the link, which the format of series would
            take for labels: it is asked as a table.
    """

    kind: Kind
    title: str
    queries: Mapping[str, str] = field(default_factory=dict)
    unit: str = "short"
    width: int = 12
    height: int = 8
    hint: str = "Nothing in this time: choose a longer one, or other values above"
    columns: Sequence[Column] = ()
    thresholds: Sequence[Threshold] = ()
    shows_content: bool = False
    stacked: bool = False
    bars: bool = False
    log: bool = False
    least: float | None = 0
    most: float | None = None
    exemplars: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """What people choose above a dashboard.

    Attributes:
        name: as it stands in SQL and addresses.
        label: as it is shown.
        query: the .sql file that lists the values, '' for a box to type into.
        several: more than one value, or All, may be chosen.
        default: what a box holds at first.
        description: shown beside it.
        filters: every panel that can obeys it, and the others say that they do not.
    """

    name: str
    label: str
    query: str = ""
    several: bool = True
    default: str = ""
    description: str = ""
    filters: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
    since: str = "now-24h"
    refresh: str = "1m"

    @property
    def names(self) -> list[str]:
        """The variables' names."""
        return [each.name for each in self.variables]
