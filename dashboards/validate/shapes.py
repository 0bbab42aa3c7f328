"""Which answers a panel takes: names, types and order of columns and rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_NUMBER: Final = re.compile(r"^(U?Int\d+|Float\d+|Decimal.*)$")
_TIME: Final = re.compile(r"^(Date|Date32|DateTime|DateTime64)(\(.*\))?$")
_TEXT: Final = re.compile(r"^(String|FixedString\(\d+\)|Enum\d*\(.*\)|UUID)$")
_EXACT: Final = 2**53  # a browser's numbers are exact up to here
_MOST_SERIES: Final = 60
_TAGS: Final = "Array(Map(String, String))"
# of a trace: column -> types
_SPAN: Final[Mapping[str, str]] = {
    "traceID": "text",
    "spanID": "text",
    "parentSpanID": "text",
    "operationName": "text",
    "serviceName": "text",
    "startTime": "number",
    "duration": "number",
}
_SPAN_MORE: Final[Mapping[str, str]] = {
    "statusCode": "number",
    "statusMessage": "text",
    "kind": "text",
    "tags": _TAGS,
    "serviceTags": _TAGS,
    "logs": f"Array(Tuple(name String, timestamp String, fields {_TAGS}))",
    "references": f"Array(Tuple(traceID String, spanID String, tags {_TAGS}))",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What ClickHouse answered: names and types of columns, and rows."""

    names: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def kinds(self) -> dict[str, str]:
        """Return for each column whether it is a `number`, a `time`, a `text`, or which type else."""
        return {name: _kind(of) for name, of in zip(self.names, self.types, strict=True)}

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        at = list(self.names).index(name)
        return [row[at] for row in self.rows]


def _kind(of: str) -> str:
    plain = of
    while found := re.fullmatch(r"(?:LowCardinality|Nullable)\((.*)\)", plain):
        plain = found[1]
    for kind, pattern in (("number", _NUMBER), ("time", _TIME), ("text", _TEXT)):
        if pattern.match(plain):
            return kind
    return plain


def of_panel(kind: str, target: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    """Yield what is wrong with the answer to a query of such a panel."""
    if len(set(answer.names)) != len(answer.names):
        yield f"columns are called the same: {sorted(answer.names)}"
        return
    if target["format"] == 0:
        yield from _series(answer)
    yield from _exact(answer)
    yield from _states_of_aggregates(answer)
    checks = {
        "stat": _stat,
        "timeseries": _points if target["format"] == 1 else lambda _: iter(()),
        "piechart": _named_numbers,
        "bargauge": _named_numbers,
        "barchart": _named_numbers,
        "heatmap": _heatmap,
        "state-timeline": _states,
        "traces": _trace,
    }
    if check := checks.get(kind):
        yield from check(answer)


def _series(answer: Answer) -> Iterator[str]:
    kinds = answer.kinds()
    if kinds.get("time") != "time" or answer.names[0] != "time":
        yield "a series has a first column `time` that is one"
        return
    times = answer.column("time")
    if None in times or times != sorted(times, key=_moment):
        yield "the times do not ascend"
    labels = [name for name, kind in kinds.items() if kind in {"text", "Bool"}]
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    if not numbers:
        yield "a series has no number"
    if labels and (labels != ["series"] or len(numbers) != 1):
        yield f"a series has one label, `series`, and one number then, not {labels} and {numbers}"
    if other := [name for name in answer.names if name not in {"time", *labels, *numbers}]:
        yield f"a series cannot show {other}"
    keys = [(row[0], *(row[list(answer.names).index(each)] for each in labels)) for row in answer.rows]
    if len(set(keys)) != len(keys):
        yield "a series has two values at one time"
    if labels and len(set(answer.column(labels[0]))) > _MOST_SERIES:
        yield f"there are more than {_MOST_SERIES} series"


def _points(answer: Answer) -> Iterator[str]:
    """A series asked as a table, for the sake of texts that its links take."""
    kinds = answer.kinds()
    yield from _series(_without(answer, {name for name, kind in kinds.items() if kind == "text"}))
    if "text" not in kinds.values():
        yield "a series without texts is asked as one (format 0)"


def _without(answer: Answer, names: set[str]) -> Answer:
    kept = [at for at, name in enumerate(answer.names) if name not in names]
    rows = [[row[at] for at in kept] for row in answer.rows]
    return Answer([answer.names[at] for at in kept], [answer.types[at] for at in kept], rows)


def _moment(value: Any) -> float:
    return datetime.fromisoformat(str(value)).timestamp() if value is not None else 0


def _exact(answer: Answer) -> Iterator[str]:
    for name, of in zip(answer.names, answer.types, strict=True):
        if "Int64" in of and any(value is not None and abs(int(value)) > _EXACT for value in answer.column(name)):
            yield f"`{name}` has whole numbers that a browser rounds: make them text"


def _states_of_aggregates(answer: Answer) -> Iterator[str]:
    for name, of in zip(answer.names, answer.types, strict=True):
        if "AggregateFunction(" in of:  # also SimpleAggregateFunction, which is of no use to the plugin either
            yield f"`{name}` is {of}, which the plugin shows as JSON: convert it"


def _stat(answer: Answer) -> Iterator[str]:
    kinds = answer.kinds()
    if len(answer.rows) > 1:
        yield "a stat has one row"
    if "number" not in kinds.values():
        yield "a stat has no number"
    if other := [name for name, kind in kinds.items() if kind != "number"]:
        yield f"a stat shows numbers, not {other}"


def _named_numbers(answer: Answer) -> Iterator[str]:
    kinds = list(answer.kinds().values())
    if kinds[:1] != ["text"] or not kinds[1:] or set(kinds[1:]) != {"number"}:
        yield "it takes a column of names and then numbers"
    elif len({row[0] for row in answer.rows}) != len(answer.rows):
        yield "a name stands twice"


def _heatmap(answer: Answer) -> Iterator[str]:
    if set(list(answer.kinds().values())[1:]) != {"number"}:
        yield "a heatmap takes times and a number for each of its lines"


def _states(answer: Answer) -> Iterator[str]:
    kinds = answer.kinds()
    if not answer.names or answer.names[0] != "time" or kinds["time"] != "time":
        yield "a timeline has a first column `time` that is one"
        return
    if set(list(kinds.values())[1:]) != {"text"}:
        yield "a timeline takes texts behind the time"
    times = answer.column("time")
    if times != sorted(times, key=_moment):
        yield "the times do not ascend"


def _trace(answer: Answer) -> Iterator[str]:
    kinds = answer.kinds()
    for name, wanted in {**_SPAN, **_SPAN_MORE}.items():
        if name not in kinds and name in _SPAN:
            yield f"a trace has a column {name} (letter by letter)"
        elif name in kinds and kinds[name] != wanted:
            yield f"the column {name} is {wanted}, not {kinds[name]}"
    if unknown := set(kinds) - {*_SPAN, *_SPAN_MORE}:
        yield f"a trace has no columns {sorted(unknown)}"
    if not _SPAN.keys() <= kinds.keys():
        return
    if len(set(answer.column("traceID"))) > 1:
        yield "a panel shows one trace"
    spans = answer.column("spanID")
    if "" in spans or len(set(spans)) != len(spans):
        yield "ids of spans are empty or stand twice: the panel shows nothing then"
    starts = answer.column("startTime")
    if starts != sorted(starts):
        yield "spans are not in the order of their starts"
    if starts and not 1e12 < min(starts) < 1e13:  # noqa: PLR2004 - ms between 2001 and 2286
        yield "startTime is not in milliseconds"


def of_graph(nodes: Answer, edges: Answer) -> Iterator[str]:
    """Yield what is wrong with the two answers of a node graph."""
    for answer, wanted in ((nodes, {"id", "title"}), (edges, {"id", "source", "target"})):
        if missing := wanted - set(answer.names):
            yield f"a node graph lacks {sorted(missing)}"
            return
        if len(set(answer.column("id"))) != len(answer.rows):
            yield "an id of a node or an edge stands twice"
    arcs = [name for name in nodes.names if name.startswith("arc__")]
    if arcs and any(abs(sum(parts) - 1) > 0.001 for parts in zip(*map(nodes.column, arcs), strict=True)):  # noqa: PLR2004
        yield "the parts of a node's ring do not add up to 1"
    ends = {*edges.column("source"), *edges.column("target")}
    if lost := ends - set(nodes.column("id")):
        yield f"edges lead to nodes that are not there: {sorted(lost)}"


def of_variable(answer: Answer) -> Iterator[str]:
    """Yield what is wrong with the values of a variable."""
    if not 1 <= len(answer.names) <= 2:  # noqa: PLR2004 - values, and what is shown for them
        yield "a variable takes one column, or two: the value and what is shown"
    if set(answer.kinds().values()) != {"text"}:
        yield "values of a variable are texts"
    elif any("\\" in row[0] or "$" in row[0] for row in answer.rows):
        yield "a value has a backslash or a dollar, which Grafana's quotes do not hold"


def of_rule(answer: Answer) -> Iterator[str]:
    """Yield what is wrong with the answer to an alert's query: it has one row with one number."""
    if list(answer.kinds().values()) != ["number"]:
        yield "a rule takes one number and nothing else"
    elif len(answer.rows) != 1:
        yield f"a rule takes one row, not {len(answer.rows)}"
