"""The panels' SQL: one .sql file a query, whose first comment says in words what it asks.

`{{interactions}}` in a file stands for the conditions that nearly every query has: the dashboard's time, and the
variables that the dashboard offers. So a query is written once and obeys whatever its dashboard lets people choose.
What does not apply is taken out by name: `{{interactions -type -model}}`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "sql"
_PLACEHOLDER: Final = re.compile(
    r"^(?P<indent> *)(?P<before>.*?)\{\{(?P<name>\w+)(?P<without>(?: -\w+)*)\}\}", re.MULTILINE
)
_PART: Final = re.compile(r"\{\{> (\w+)\}\}")

_MODEL: Final = "if(ResponseModel != '', ResponseModel, Model)"


def one_of(expression: str, variable: str) -> str:
    """Return the condition of a variable with several values; it falls away while All is chosen."""
    return f"$__conditionalAll({expression} IN (${{{variable}:singlequote}}), ${variable})"


def typed(expression: str, variable: str) -> str:
    """Return the condition of a box that people type into; it falls away while the box is empty."""
    return f"$__conditionalAll({expression} = {text_of(variable)}, ${variable})"


def text_of(variable: str) -> str:
    """Return what somebody typed, as SQL: percent-encoded there is no letter in it that could end the string."""
    return f"decodeURLComponent('${{{variable}:percentencode}}')"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What `{{name}}` stands for.

    Attributes:
        always: holds for every dashboard.
        variables: by the variable that a dashboard may have, its condition.
    """

    always: tuple[str, ...]
    variables: Mapping[str, str]


_OF_SPANS: Final = {
    "tenant": one_of("Tenant", "tenant"),
    "service": one_of("ServiceName", "service"),
    "environment": one_of("Environment", "environment"),
    "model": one_of(_MODEL, "model"),
    "type": one_of("InteractionType", "type"),
    "user": typed("UserId", "user"),
}
_OF_SESSIONS: Final = {
    "tenant": one_of("tenant", "tenant"),
    "service": one_of("service", "service"),
    "model": one_of("model", "model"),
    "user": typed("user_id", "user"),
}
# Only these are put together from their states.
_ACTIVE: Final = (
    "(tenant, session_id) IN (SELECT tenant, session_id FROM otel.sessions_state WHERE $__timeFilter(last_activity_at))"
)
CONDITIONS: Final[Mapping[str, Conditions]] = {
    "interactions": Conditions(("InteractionType != ''", "$__timeFilter(Timestamp)"), _OF_SPANS),
    "received": Conditions(("$__timeFilter(ReceivedAt)", "Timestamp >= $__fromTime - toIntervalDay(7)"), _OF_SPANS),
    "sessions": Conditions(
        (
            "$__timeFilter(last_activity_at)",
            _ACTIVE,
        ),
        _OF_SESSIONS,
    ),
    "own": Conditions(
        ("startsWith(MetricName, 'otel_interactions_collector_')", "$__timeFilter(TimeUnix)"),
        {"tenant": one_of("Tenant", "tenant")},
    ),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A query in words and in SQL."""

    words: str
    sql: str


def load(name: str, variables: Collection[str]) -> Statement:
    """Return a query, `sre/error_rate` for instance, for a dashboard with these variables."""
    lines = (FOLDER / f"{name}.sql").read_text().splitlines()
    comment = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    body = "\n".join(line for line in lines if not line.startswith("--")).strip()
    return Statement(" ".join(comment), filled(body, variables))


def filled(sql: str, variables: Collection[str]) -> str:
    """Put parts and conditions into a statement."""
    whole = _PART.sub(lambda found: _part(found[1]), sql)
    return _PLACEHOLDER.sub(lambda found: _conditions(found, variables), whole)


def _part(name: str) -> str:
    lines = (FOLDER / "parts" / f"{name}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip()


def _conditions(found: re.Match[str], variables: Collection[str]) -> str:
    known = CONDITIONS[found["name"]]
    without = {each.removeprefix("-") for each in found["without"].split()}
    chosen = [known.variables[name] for name in known.variables if name in variables and name not in without]
    joined = f"\n{found['indent']}  AND ".join((*known.always, *chosen))
    return f"{found['indent']}{found['before']}{joined}"
