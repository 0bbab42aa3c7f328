"""Every query of boards and rules, put to a real ClickHouse; is the answer what the panel takes?"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dashboards.validate import content, macros, shapes
from dashboards.validate.finding import Finding
from dashboards.validate.looks import Json, links_of, panels_of, variables_of
from dashboards.validate.macros import ALL, Context, MacroError, Value
from dashboards.validate.shapes import Answer

POINTS: Final = 300  # of a series: what Grafana asks for in a panel of some width
Times = dict[str, float]
Ask = Callable[[str], Answer]
_FIELD: Final = re.compile(r"__data\.fields\.(\w+)")
# Who is looked at in detail: of the sessions in this time the one where most happened.
_SOMEBODY: Final = """
SELECT SessionId AS session, argMax(TraceId, Timestamp) AS trace, max(UserId) AS user
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND InteractionType != ''
GROUP BY Tenant, SessionId
ORDER BY countIf(InteractionType = 'tool_call') > 0 DESC,
  countIf(StatusCode = 'Error' OR InteractionType = 'error') > 0 DESC,
  countIf(InteractionType = 'generation') > 0 DESC, user != '' DESC, uniq(InteractionType) DESC, session
LIMIT 1
"""


class AskError(Exception):
    """ClickHouse refused a query; the message is its own."""


@dataclass(slots=True)
class Asked:
    """What came of asking.

    Attributes:
        findings: what is wrong.
        seconds: what each query took, by where it stands.
    """

    findings: list[Finding] = field(default_factory=list)
    seconds: Times = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Case:
    """Values for the variables."""

    name: str
    context: Context


def asked(
    boards: Sequence[Json],
    rules: Json,
    ask: Ask,
    *,
    until: float,
    shows_content: frozenset[tuple[str, str]],
    seconds: Mapping[str, float] | None = None,
    may_be_empty: bool = False,
) -> Asked:
    """Ask everything.

    Args:
        boards: as Grafana reads them.
        rules: the file of alert rules.
        ask: puts a query to ClickHouse; raises AskError.
        until: when the time on the boards ends (s since 1970).
        shows_content: (uid of a board, title of a panel) of those that may read what was said.
        seconds: by uid, the length of the time on a board, where it is not the board's own.
        may_be_empty: the data is not such that every panel shows something.
    """
    found = Asked()
    for board in boards:
        base = time_of(board, until, (seconds or {}).get(board["uid"]))
        cases = _cases(board, ask, base, found)
        for panel in panels_of(board):
            allowed = (board["uid"], panel["title"]) in shows_content
            _ask_panel(board, panel, ask, cases, found, may_read=allowed, may_be_empty=may_be_empty)
    for rule in (each for group in rules["groups"] for each in group["rules"]):
        _ask_rule(rule, ask, until, found)
    return found


def time_of(board: Json, until: float, seconds: float | None = None) -> Context:
    """Return the time that a board shows, its own or so many seconds, and the interval that Grafana makes of it."""
    length = _length(board["time"]["from"]) if seconds is None else seconds
    return Context(until - length, until, max(1000, int(length * 1000 / POINTS)))


def everything_chosen(board: Json, ask: Ask, base: Context) -> Context:
    """Return what the panels are asked with where nobody chose anything, but for the session of a board about one.

    Raises:
        AskError: ClickHouse refused to tell of a session, or nobody answers.
    """
    return _with(base, _everything(variables_of(board), _somebody(ask, base)))


def _somebody(ask: Ask, base: Context) -> dict[str, str]:
    answer = ask(macros.of_rule(_SOMEBODY, base))
    return dict(zip(answer.names, answer.rows[0], strict=True)) if answer.rows else {}


def _everything(variables: Mapping[str, Json], who: Mapping[str, str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, variable in variables.items():
        of_one = name in {"session", "trace"} and "trace" in variables  # a board about one session, else it is a filter
        found[name] = str(who.get(name, "")) if of_one else _default(variable)
    return found


def _default(variable: Json) -> str:
    return str(variable["current"].get("value", "")) if variable["type"] == "textbox" else ALL


def _length(since: str) -> float:
    number, unit = re.fullmatch(r"now-(\d+)([mhd])", since).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 60, "h": 3600, "d": 86_400}[unit]


def _cases(board: Json, ask: Ask, base: Context, found: Asked) -> list[_Case]:
    """Everything, then one real value of each variable: both branches of $__conditionalAll."""
    variables, who = variables_of(board), _somebody(ask, base)
    everything = _everything(variables, who)
    chosen: dict[str, Value] = {}
    for name, variable in variables.items():
        default = _default(variable)
        chosen[name] = str(who.get(name, default)) if name in {"session", "trace", "user"} else default
    for name, variable in variables.items():
        if variable["type"] == "query":
            values = _values(f"{board['title']} / ${name}", variable, ask, _with(base, everything), found)
            chosen[name] = (values[:2] if variable["multi"] else everything[name]) or ALL
    return [_Case("everything", _with(base, everything)), _Case("chosen", _with(base, chosen))]


def _with(base: Context, variables: Mapping[str, Value]) -> Context:
    return Context(base.since, base.until, base.interval_ms, dict(variables))


def _values(where: str, variable: Json, ask: Ask, context: Context, found: Asked) -> list[str]:
    """Ask which values a variable may have: a column of them, or values and what is shown for each."""
    answer = _answer(where, variable["query"]["rawSql"], ask, context, found)
    if answer is None:
        return []
    for what in shapes.of_variable(answer):
        found.findings.append(Finding(where, what))
    return [str(row[0]) for row in answer.rows]


def _answer(where: str, sql: str, ask: Ask, context: Context, found: Asked) -> Answer | None:
    try:
        statement = macros.of_panel(sql, context)
        began = time.perf_counter()
        answer = ask(statement)
    except (AskError, MacroError) as error:
        found.findings.append(Finding(where, str(error)))
        return None
    found.seconds[where] = max(found.seconds.get(where, 0), time.perf_counter() - began)
    return answer


def _ask_panel(
    board: Json, panel: Json, ask: Ask, cases: Sequence[_Case], found: Asked, *, may_read: bool, may_be_empty: bool
) -> None:
    place = f"{board['title']} / {panel['title']}"
    read: set[str] = set()
    whole: dict[str, Answer] = {}
    for case in cases:
        for target in panel["targets"]:
            where = f"{place} / {target['refId']}"
            answer = _answer(where, target["rawSql"], ask, case.context, found)
            if answer is None:
                return
            wrong = shapes.of_panel(panel["type"], target, answer)
            found.findings += [Finding(f"{where} ({case.name})", each) for each in wrong]
            if case.name == "everything":
                whole[target["refId"]] = answer
                read |= content.read(ask(f"EXPLAIN QUERY TREE {macros.of_panel(target['rawSql'], case.context)}"))
    found.findings += [Finding(place, each) for each in _names(panel, whole)]
    if panel["type"] == "nodeGraph":
        found.findings += [Finding(place, each) for each in shapes.of_graph(whole["nodes"], whole["edges"])]
    if not may_be_empty:
        found.findings += [Finding(place, each) for each in _empty(whole)]
    found.findings += [Finding(place, each) for each in _content(read, may_read=may_read)]


def _names(panel: Json, answers: Mapping[str, Answer]) -> Iterator[str]:
    """Columns that are shown in their own way, and those that links take, are columns of the answer."""
    kinds = {name: kind for answer in answers.values() for name, kind in answer.kinds().items()}
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        if matcher["id"] == "byName" and matcher["options"] not in kinds and "series" not in kinds:
            yield f"there is no column `{matcher['options']}` to show in its own way"
    for title, url in links_of(panel):
        taken = set(_FIELD.findall(url))
        if shown := sorted(name for name in taken & kinds.keys() if kinds[name] != "text"):
            yield f"the link `{title}` would take {shown} as they are shown: make them texts"
        if missing := taken - kinds.keys():
            yield f"the link `{title}` takes columns that are not there: {sorted(missing)}"


def _empty(answers: Mapping[str, Answer]) -> Iterator[str]:
    for letter, answer in answers.items():
        if not answer.rows:
            yield f"{letter} has no row"
        elif all(value is None or value == "" for row in answer.rows for value in row):
            yield f"{letter} has rows of nothing"


def _content(read: set[str], *, may_read: bool) -> Iterator[str]:
    if read and not may_read:
        yield f"it reads what was said and does not show it: {sorted(read)}"
    if may_read and not read:
        yield "it is said to show what was said, and reads nothing of it"


def _ask_rule(rule: Json, ask: Ask, until: float, found: Asked) -> None:
    where = f"alert {rule['title']}"
    for step in rule["data"]:
        if step["datasourceUid"] == "__expr__":
            continue
        window = step["relativeTimeRange"]
        context = Context(until - window["from"], until - window["to"], 1000)
        try:
            statement = macros.of_rule(step["model"]["rawSql"], context)
            began = time.perf_counter()
            answer = ask(statement)
            found.seconds[where] = time.perf_counter() - began
            read = content.read(ask(f"EXPLAIN QUERY TREE {statement}"))
        except (AskError, MacroError) as error:
            found.findings.append(Finding(where, str(error)))
            continue
        found.findings += [Finding(where, each) for each in (*shapes.of_rule(answer), *_content(read, may_read=False))]
