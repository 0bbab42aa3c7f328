"""Numbers, times and changes as people write them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

NOTHING: Final = "\N{EN DASH}"
_MILLION: Final = 1_000_000
_PLAIN: Final = 10 * _MILLION  # up to there every digit is shown
_SECOND: Final = 1_000  # ms
_CENTS_FROM: Final = 1.0  # USD; below it, four digits


def number(value: float | None) -> str:
    """Write a count: 12,345, or 12.3 M."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value < _PLAIN else f"{value / _MILLION:,.1f} M"


def milliseconds(value: float | None) -> str:
    """Write a duration: 845 ms, or 1.23 s."""
    if value is None:
        return NOTHING
    return f"{value:.0f} ms" if round(value) < _SECOND else f"{value / _SECOND:,.2f} s"


def dollars(value: float | None) -> str:
    """Write a cost in USD: $12.30, or $0.0042."""
    if value is None:
        return NOTHING
    return f"${value:,.4f}" if 0 < value < _CENTS_FROM else f"${value:,.2f}"


def percent(share: float | None) -> str:
    """Write a share: 2.3 %."""
    return NOTHING if share is None else f"{share * 100:.1f} %"


def change(now: float | None, before: float | None) -> str:
    """Write how a number changed: +12.5 %."""
    if now is None or before is None or (not before and now):
        return "none before"
    if now == before:
        return "unchanged"
    return f"{(now - before) / before * 100:+,.1f} %"


def points(now: float | None, before: float | None) -> str:
    """Write how a share changed: +0.4 points."""
    if now is None or before is None:
        return "none before"
    moved = f"{(now - before) * 100:+.1f}"
    return "unchanged" if float(moved) == 0 else f"{moved} points"


def moment(value: datetime) -> str:
    """Write a time (UTC), a day alone where it is midnight."""
    return f"{value:%Y-%m-%d}" if not (value.hour or value.minute or value.second) else f"{value:%Y-%m-%d %H:%M}"
