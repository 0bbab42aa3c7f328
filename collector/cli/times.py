"""The time a verb is about: `--days`, or `--since` and `--until`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from collector.errors import StartError

Days = Annotated[float | None, typer.Option("--days", metavar="number", help="The last so many days. Default: 7.")]
Since = Annotated[
    str,
    typer.Option("--since", metavar="time", help="From then on: 2026-03-10 or 2026-03-10T12:00, in UTC unless told."),
]
Until = Annotated[str, typer.Option("--until", metavar="time", help="Before then. Default: now.")]
_MOST_DAYS: Final = 3_660
_USUAL_DAYS: Final = 7.0


@dataclass(frozen=True, slots=True)
class Times:
    """From when, and before when; UTC."""

    since: datetime
    until: datetime


def times(days: float | None, since: str, until: str, now: datetime) -> Times:
    """Return the time that is meant.

    Raises:
        StartError: it is none.
    """
    if since and days is not None:
        raise StartError("--days and --since say two things", hint="give one of them")
    if days is not None and not 0 < days <= _MOST_DAYS:
        raise StartError(f"--days {days:g} is not between 0 and {_MOST_DAYS}", hint="use --since for longer times")
    end = _moment(until, "--until") if until else now
    begin = _moment(since, "--since") if since else end - timedelta(days=_USUAL_DAYS if days is None else days)
    if begin >= end:
        raise StartError(
            f"the time ends ({end:%Y-%m-%d %H:%M}) before it begins ({begin:%Y-%m-%d %H:%M})",
            hint="--since has to be before --until, which is now unless given",
        )
    return Times(begin, end)


def _moment(text: str, flag: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        raise StartError(
            f"{flag} {text[:50]!r} is no time", hint="write it as 2026-03-10 or 2026-03-10T12:00+01:00"
        ) from None
