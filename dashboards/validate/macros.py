"""What the ClickHouse data source makes of a query before ClickHouse sees it.

In this order: `$__conditionalAll`, then Grafana's variables, both in the browser; then, in the plugin's backend, the
macros of time. Rules of alerts go through the backend alone. The semantics are those of the plugin's version 4.20.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

ALL: Final = "$__all"
_CONDITIONAL: Final = "$__conditionalAll("
_VARIABLE: Final = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>(?!__)[A-Za-z_]\w*)")
_MACRO: Final = re.compile(r"\$__(\w+)")
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_DURATION: Final = re.compile(r"^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

Value = str | Sequence[str]


class MacroError(ValueError):
    """The plugin would refuse this, or leave it to ClickHouse, which would."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a query is asked with.

    Attributes:
        since: the panel's time begins (s since 1970).
        until: and ends.
        interval_ms: between points, as Grafana computes it from the width of the panel.
        variables: by name: one text, several, or ALL.
    """

    since: float
    until: float
    interval_ms: int = 60_000
    variables: Mapping[str, Value] = field(default_factory=dict)


def of_panel(sql: str, context: Context) -> str:
    """Return what ClickHouse is sent for a panel or a variable.

    Raises:
        MacroError: an unknown macro or variable, or a wrong use of one.
    """
    return _backend(_without_comments(_variables(_conditional(sql, context.variables), context)), context)


def of_rule(sql: str, context: Context) -> str:
    """Return what ClickHouse is sent for a rule of an alert: the backend's part alone.

    Raises:
        MacroError: an unknown macro, or a wrong use of one; a variable, which nobody replaces there.
    """
    if left := _VARIABLE.search(_without_comments(sql)):
        raise MacroError(f"{left[0]} is no macro of the backend, and nobody replaces variables there")
    return _backend(_without_comments(sql), context)


def with_all_chosen(sql: str, names: Iterable[str]) -> str:
    """Return what is left of a query while everything is chosen: the conditions that always hold.

    Raises:
        MacroError: a wrong use of $__conditionalAll.
    """
    return _conditional(sql, dict.fromkeys(names, ALL))


def _conditional(sql: str, variables: Mapping[str, Value]) -> str:
    """Keep the condition, or say 1=1 where everything, or nothing, is chosen."""
    while (start := sql.rfind(_CONDITIONAL)) >= 0:
        arguments, end = _arguments(sql, start + len(_CONDITIONAL) - 1)
        if len(arguments) != 2:  # noqa: PLR2004 - condition and variable
            raise MacroError(f"$__conditionalAll takes 2 arguments, not {len(arguments)}")
        if "{" in arguments[1] or not (named := re.search(r"\$(\w+)", arguments[1])):
            raise MacroError(f"$__conditionalAll takes a bare $variable, not {arguments[1].strip()}")
        value = variables.get(named[1])
        chosen = value if isinstance(value, str) or value is None else ",".join(value)
        kept = "1=1" if chosen in {"", ALL} else arguments[0]
        sql = sql[:start] + kept + sql[end:]
    return sql


def _arguments(sql: str, opening: int) -> tuple[list[str], int]:
    """Split at commas outside of parentheses, as the plugin does: it does not know quotes."""
    depth, begins, found = 0, opening + 1, list[str]()
    for at in range(opening, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        if (sql[at] == "," and depth == 1) or depth == 0:
            found.append(sql[begins:at])
            begins = at + 1
        if depth == 0:
            return found, at + 1
    raise MacroError("a macro's parenthesis is not closed")


def _variables(sql: str, context: Context) -> str:
    def replaced(found: re.Match[str]) -> str:
        name = found["braced"] or found["plain"]
        if name not in context.variables:
            raise MacroError(f"there is no variable ${name}")
        return _formatted(context.variables[name], found["format"] or "")

    for name, value in (("__interval_ms", str(context.interval_ms)), ("__interval", f"{context.interval_ms}ms")):
        sql = re.sub(rf"\${name}\b", value, sql)
    return _VARIABLE.sub(replaced, sql)


def _formatted(value: Value, how: str) -> str:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    texts = list(value) if several else [str(value)]
    match how:
        case "singlequote":
            return ",".join("'" + text.replace("'", "\\'") + "'" for text in texts)
        case "percentencode":  # also what encodeURIComponent leaves: ! ' ( ) *
            whole = "{" + ",".join(texts) + "}" if several else texts[0]
            return quote(whole, safe="-_.~")
        case "":
            return "'" + "','".join(texts) + "'" if several else texts[0]
    raise MacroError(f"the format :{how} is not one that boards may use")


def _without_comments(sql: str) -> str:
    return _COMMENT.sub(lambda found: " " * len(found[0]), sql)


def _backend(sql: str, context: Context) -> str:
    """Replace from the last macro on, so that one inside another's arguments comes first."""
    while found := list(_MACRO.finditer(sql)):
        last = found[-1]
        if last[1] not in _MACROS:
            raise MacroError(f"there is no macro $__{last[1]}")
        count, write = _MACROS[last[1]]
        arguments, end = list[str](), last.end()
        if sql[last.end() : last.end() + 1] == "(":
            arguments, end = _arguments(sql, last.end())
            arguments = [each.strip() for each in arguments if each.strip()]
        if count and len(arguments) != count:
            raise MacroError(f"$__{last[1]} takes {count} argument(s), not {len(arguments)}")
        sql = sql[: last.start()] + write(context, arguments if count else []) + sql[end:]
    return sql


def _seconds(context: Context) -> int:
    return max(context.interval_ms // 1000, 1)


def _from(context: Context) -> str:
    return f"toDateTime({int(context.since)})"


def _to(context: Context) -> str:
    return f"toDateTime({int(context.until)})"


def _from_ms(context: Context) -> str:
    return f"fromUnixTimestamp64Milli({int(context.since * 1000)})"


def _to_ms(context: Context) -> str:
    return f"fromUnixTimestamp64Milli({int(context.until * 1000)})"


def _days(context: Context, column: str) -> str:
    first, last = (datetime.fromtimestamp(each, UTC).strftime("%F") for each in (context.since, context.until))
    return f"{column} >= toDate('{first}') AND {column} <= toDate('{last}')"


def _both(context: Context, arguments: list[str]) -> str:
    day, moment = arguments
    within = f"{moment} >= {_from(context)} AND {moment} <= {_to(context)}"
    return f"({_days(context, day)}) AND ({within})"


def _group(_: Context, arguments: list[str]) -> str:
    column, period = arguments[0], arguments[1].strip("'\"")
    if not _DURATION.match(period):
        raise MacroError(f"$__timeGroup takes a duration of h, m, s or ms, not {period}")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", period)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds < 1:
        raise MacroError(f"$__timeGroup takes a second at least, not {period}")
    return f"toStartOfInterval(toDateTime({column}), INTERVAL {int(seconds)} second)"


_Write = Callable[[Context, list[str]], str]
# name -> (how many arguments, what it becomes); a macro of none takes no notice of any
_MACROS: Final[Mapping[str, tuple[int, _Write]]] = {
    "timeFilter": (1, lambda c, a: f"{a[0]} >= {_from(c)} AND {a[0]} <= {_to(c)}"),
    "timeFilter_ms": (1, lambda c, a: f"{a[0]} >= {_from_ms(c)} AND {a[0]} <= {_to_ms(c)}"),
    "dateFilter": (1, lambda c, a: _days(c, a[0])),
    "dateTimeFilter": (2, _both),
    "dt": (2, _both),
    "fromTime": (0, lambda c, _: _from(c)),
    "toTime": (0, lambda c, _: _to(c)),
    "fromTime_ms": (0, lambda c, _: _from_ms(c)),
    "toTime_ms": (0, lambda c, _: _to_ms(c)),
    "timeFrom": (1, lambda c, a: f"{a[0]} >= {_from(c)}"),
    "timeTo": (1, lambda c, a: f"{a[0]} <= {_to(c)}"),
    "timeInterval": (1, lambda c, a: f"toStartOfInterval(toDateTime({a[0]}), INTERVAL {_seconds(c)} second)"),
    "timeInterval_ms": (
        1,
        lambda c, a: f"toStartOfInterval(toDateTime64({a[0]}, 3), INTERVAL {max(c.interval_ms, 1)} millisecond)",
    ),
    "interval_s": (0, lambda c, _: str(_seconds(c))),
    "timeGroup": (2, _group),
    "interval": (0, lambda c, _: f"{c.interval_ms}ms"),
    "interval_ms": (0, lambda c, _: str(c.interval_ms)),
}
