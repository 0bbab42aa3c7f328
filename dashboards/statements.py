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


def of_session(tenant: str, session: str) -> str:
    """Return the condition of the session that was typed.

    An agent's run may name the session that the calls in its trace do not: these stand under the id of their trace.
    """
    chosen = text_of("session")
    traces = f"(SELECT tenant, trace_id FROM otel.session_of_trace WHERE session_id = {chosen})"  # noqa: S608 - encoded
    return f"({session} = {chosen} OR ({tenant}, {session}) IN {traces})"


def _of_detail(tenant: str, session: str, trace: str) -> tuple[str, ...]:
    """Return what everything on Session detail is of: the session, and the trace that one came from."""
    typed_in = text_of("session")
    return f"{typed_in} != ''", f"({of_session(tenant, session)} OR {trace} = {text_of('trace')})"


_OF_SPANS: Final = {
    "tenant": one_of("Tenant", "tenant"),
    "service": one_of("ServiceName", "service"),
    "environment": one_of("Environment", "environment"),
    "model": one_of(_MODEL, "model"),
    "type": one_of("InteractionType", "type"),
    "user": typed("UserId", "user"),
    "session": f"$__conditionalAll({of_session('Tenant', 'SessionId')}, $session)",
}
# The same in otel.interactions.
_OF_ROWS: Final = {
    "tenant": one_of("tenant", "tenant"),
    "service": one_of("service", "service"),
    "environment": one_of("environment", "environment"),
    "model": one_of("if(response_model != '', response_model, model)", "model"),
    "type": one_of("type", "type"),
    "user": typed("user_id", "user"),
    "session": f"$__conditionalAll({of_session('tenant', 'session_id')}, $session)",
}
_OF_SESSIONS: Final = {
    "tenant": one_of("tenant", "tenant"),
    "service": one_of("service", "service"),
    "model": one_of("model", "model"),
    "user": typed("user_id", "user"),
}


def _put_together(condition: str) -> str:
    """Only the sessions of which a state tells this are put together from their states."""
    return f"(tenant, session_id) IN (SELECT tenant, session_id FROM otel.sessions_state WHERE {condition})"  # noqa: S608


CONDITIONS: Final[Mapping[str, Conditions]] = {
    "interactions": Conditions(("InteractionType != ''", "$__timeFilter(Timestamp)"), _OF_SPANS),
    "rows": Conditions(("$__timeFilter(ts)",), _OF_ROWS),
    "received": Conditions(
        (
            "$__timeFilter(ReceivedAt)",
            "Timestamp >= $__fromTime - toIntervalDay(7)",  # what waited in a spool so long
            "Timestamp <= $__toTime + toIntervalDay(1)",  # of a clock that is ahead
        ),
        _OF_SPANS,
    ),
    "sessions": Conditions(
        (
            "$__timeFrom(last_activity_at)",
            "$__timeTo(started_at)",
            _put_together("$__timeFrom(last_activity_at)"),
        ),
        _OF_SESSIONS,
    ),
    "begun": Conditions(
        ("$__timeFilter(started_at)", _put_together("$__timeFilter(started_at)")),
        _OF_SESSIONS,
    ),
    "of_session": Conditions(
        ("InteractionType != ''", "$__timeFilter(Timestamp)", *_of_detail("Tenant", "SessionId", "TraceId")),
        {"tenant": one_of("Tenant", "tenant")},
    ),
    "rows_of_session": Conditions(
        ("$__timeFilter(ts)", *_of_detail("tenant", "session_id", "trace_id")),
        {"tenant": one_of("tenant", "tenant")},
    ),
    # Of the part `priced`: one model, or one user, of sessions that have several.
    "calls": Conditions(
        ("(counts OR isNotNull(c.cost))",),
        {"model": one_of("if(c.answered != '', c.answered, c.asked)", "model"), "user": typed("c.user", "user")},
    ),
    # What collectors tell of themselves is of all tenants; it stands under the tenant of whoever brought it.
    "own": Conditions(("startsWith(MetricName, 'otel_interactions_collector_')", "$__timeFilter(TimeUnix)"), {}),
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
