"""What a report shows: the answers to the questions that are known by name, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

Row = dict[str, Any]
Ask = Callable[[str, dict[str, Any]], list[Row]]
"""Asks a question by its name with parameters, `since` and `until` among them; gives the rows."""

_PROMPTS: Final = 10
_PATHS: Final = 10
_DEPTH: Final = 5
_ERRORS: Final = 15


@dataclass(frozen=True, slots=True)
class Period:
    """How one time went as a whole; None where nothing tells.

    Attributes:
        interactions: all of them.
        sessions: with any interaction.
        users: known by an id.
        errors: interactions that failed.
        error_rate: of interactions, 0 to 1.
        p95_ms: 19 of 20 answers took no longer.
        input_tokens: read by models.
        output_tokens: written by models.
        cost_usd: as far as it is known.
        calls: of models.
        calls_without_cost: of these, those whose cost nobody knows.
        ended: share of the sessions that began in the time, 0 to 1.
        abandoned: likewise.
    """

    interactions: int
    sessions: int
    users: int
    errors: int
    error_rate: float | None
    p95_ms: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    calls: int
    calls_without_cost: int
    ended: float | None
    abandoned: float | None


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC)."""

    day: date
    types: dict[str, int] = field(default_factory=dict)
    users: int = 0
    sessions: int = 0
    errors: int = 0

    @property
    def interactions(self) -> int:
        """All of them."""
        return sum(self.types.values())


@dataclass(frozen=True, slots=True)
class Model:
    """One model: what it took, what it cost (None: nobody knows), how long its answers took."""

    name: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All that a report shows.

    Attributes:
        since: from when; UTC.
        until: before when.
        tenant: whose, "" for all.
        period: that time.
        before: as much time before it.
        days: each day of it, also those without anything.
        models: those with any call, the most used first.
        prompts: rows of `top_prompts`.
        paths: rows of `common_paths`.
        failures: rows of `unresolved_errors`.
    """

    since: datetime
    until: datetime
    tenant: str
    period: Period
    before: Period
    days: list[Day]
    models: list[Model]
    prompts: list[Row]
    paths: list[Row]
    failures: list[Row]


def gathered(ask: Ask, since: datetime, until: datetime, tenant: str = "") -> Figures:
    """Ask what a report shows; raises what `ask` does."""

    def answers(question: str, **parameters: Any) -> list[Row]:
        return ask(question, {"since": since.isoformat(), "until": until.isoformat(), **parameters})

    costs = answers("tokens_and_cost", by="model")
    return Figures(
        since=since,
        until=until,
        tenant=tenant,
        period=_period(ask, since, until, costs),
        before=_period(ask, since - (until - since), since),
        days=_days(since, until, answers("stats"), answers("active_users"), answers("error_rate")),
        models=_models(costs, answers("response_times")),
        prompts=answers("top_prompts", limit=_PROMPTS),
        paths=answers("common_paths", limit=_PATHS, depth=_DEPTH),
        failures=answers("unresolved_errors", limit=_ERRORS),
    )


def last_days(days: int, until: datetime) -> datetime:
    """Return the midnight (UTC) with which the last so many days begin; the day of `until` is one of them."""
    first = until.astimezone(UTC) - timedelta(microseconds=1) - timedelta(days=days - 1)
    return first.replace(hour=0, minute=0, second=0, microsecond=0)


def _period(ask: Ask, since: datetime, until: datetime, costs: list[Row] | None = None) -> Period:
    times = {"since": since.isoformat(), "until": until.isoformat()}
    [told] = ask("overview", times)
    spent = ask("tokens_and_cost", {**times, "by": "model"}) if costs is None else costs
    ways = ask("sessions_by_status", times)
    known = [row["cost_usd"] for row in spent if row["cost_usd"] is not None]
    return Period(
        interactions=told["interactions"],
        sessions=told["sessions"],
        users=told["users"],
        errors=told["errors"],
        error_rate=told["error_rate"] if told["interactions"] else None,
        p95_ms=told["p95_response_ms"],
        input_tokens=sum(row["input_tokens"] for row in spent),
        output_tokens=sum(row["output_tokens"] for row in spent),
        cost_usd=sum(known) if known else None,
        calls=sum(row["calls"] for row in spent),
        calls_without_cost=sum(row["calls_without_cost"] for row in spent),
        ended=_share(ways, "ended"),
        abandoned=_share(ways, "abandoned"),
    )


def _share(ways: list[Row], status: str) -> float | None:
    began = sum(row["sessions"] for row in ways)
    return sum(row["sessions"] for row in ways if row["status"] == status) / began if began else None


def _days(since: datetime, until: datetime, stats: list[Row], people: list[Row], failed: list[Row]) -> list[Day]:
    types = stats[0]["daily_breakdown"]
    active = {row["day"]: row for row in people}
    errors: dict[str, int] = {}
    for row in failed:
        errors[row["day"]] = errors.get(row["day"], 0) + row["errors"]
    first, last = since.astimezone(UTC).date(), (until.astimezone(UTC) - timedelta(microseconds=1)).date()
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        name = day.isoformat()
        kinds = {kind: count for kind, count in types.get(name, {}).items() if kind != "total"}
        who = active.get(name, {"daily_active_users": 0, "sessions": 0})
        found.append(Day(day, kinds, who["daily_active_users"], who["sessions"], errors.get(name, 0)))
    return found


def _models(costs: list[Row], times: list[Row]) -> list[Model]:
    """Put together what models took and how long they did, of whole answers where they were recorded, else of calls."""
    waited: dict[str, Row] = {}
    for row in sorted(times, key=lambda row: row["type"] != "assistant_response"):
        if row["p50_ms"] is not None:
            waited.setdefault(row["model"], row)
    nothing: Row = {"p50_ms": None, "p95_ms": None}
    found = [
        Model(
            name=row["model"],
            calls=row["calls"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cost_usd=row["cost_usd"] if row["calls_without_cost"] < row["calls"] or row["cost_usd"] else None,
            p50_ms=waited.get(row["model"], nothing)["p50_ms"],
            p95_ms=waited.get(row["model"], nothing)["p95_ms"],
        )
        for row in costs
    ]
    return sorted(found, key=lambda model: (-model.calls, model.name))
