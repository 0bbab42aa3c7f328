"""What a parameter may be, before ClickHouse sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)  # of DateTime64(9)
_MICROSECOND: Final = 1_000  # nanoseconds


def _moment(value: datetime) -> datetime:
    found = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if not _FIRST <= found < _LAST:
        raise ValueError("it must lie between 1970 and 2262")
    return found


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("it must not hold a NUL")
    return value


Moment = Annotated[datetime, AfterValidator(_moment)]
"""A time; without an offset it is UTC."""

Text = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_text)]


def nano(value: datetime | None) -> int:
    """Return nanoseconds since 1970, 0 for None."""
    return 0 if value is None else round((value - _FIRST).total_seconds() * 1e6) * _MICROSECOND


def instant(value: datetime) -> str:
    """Return a time as a parameter of ClickHouse's type DateTime64 takes it: seconds since 1970."""
    whole, rest = divmod(nano(value), 1_000_000_000)
    return f"{whole}.{rest:09d}"
