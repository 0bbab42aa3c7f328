"""The types of the fields that JSON clients send: lenient in how a value is written, exact in what it may be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias

import orjson
from pydantic import BeforeValidator, Field, WithJsonSchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(
    2000, 1, 1, tzinfo=UTC
)  # before it lie clocks that were never set, and milliseconds since page load
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_SECONDS_BELOW = 1e11  # in milliseconds that would be early 1973, in seconds the year 5138
_ALLOWED = "allowed are milliseconds since 1970, or ISO 8601 text, from 2000 up to 2099"
_INT64 = (1 << 63) - 1
_YEAR_MS = 366 * 86_400_000
_LONGEST_SHOWN = 80  # characters


class NoShape(Exception):
    """An item is of no shape that is known: which field is to blame, "" for the whole item, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def as_json(value: object) -> str:
    """Return JSON text.

    Raises:
        NoShape: it is nested deeper than orjson writes; it reads deeper.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise NoShape("", "is nested too deep; allowed are 250 levels") from error


def shown(value: object) -> str:
    """Return a value as JSON, cut where it is long, to be repeated in a sentence."""
    try:
        text = as_json(value)
    except NoShape:
        return "a value nested too deep"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text)} characters)"


def one_of(words: Iterable[str]) -> str:
    """Return words to choose from, as a sentence says them."""
    *others, last = words
    return f"{', '.join(others)} or {last}"


def _nanoseconds(value: object) -> object:
    """Return nanoseconds since 1970 of a moment as clients write it.

    A number below 1e11 counts seconds, any other milliseconds; text is ISO 8601, in UTC unless it names a zone, or such
    a number.
    """
    number = _number(value)
    try:
        found = _of_text(value) if number is None and isinstance(value, str) else _of_number(number)
    except (ValueError, OverflowError):
        found = None
    if found is None or not _in_range(found):
        raise ValueError(f"found {shown(value)}; {_ALLOWED}")
    return found


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _of_number(number: float | None) -> int | None:
    if number is None or not math.isfinite(number):
        return None
    unit = 1_000_000_000 if abs(number) < _SECONDS_BELOW else 1_000_000
    whole = math.floor(number)
    return whole * unit + round((number - whole) * unit)  # a float times a million would lose the microseconds


def _of_text(text: str) -> int:
    moment = datetime.fromisoformat(text.strip())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _in_range(nanoseconds: int) -> bool:
    return _EARLIEST.timestamp() <= nanoseconds / 1e9 < _LATEST.timestamp()


def _no_switch(value: object) -> object:
    """Refuse true and false where a number belongs; pydantic would read them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"found {shown(value)}; should be a number")  # noqa: TRY004 - pydantic reports ValueError only
    return value


def _identity(value: object) -> object:
    """Return an id as text; blank text and null are none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise ValueError(f"found {shown(value)}; should be text or a number")  # noqa: TRY004 - as above
    return value


def _required_identity(value: object) -> object:
    found = _identity(value)
    if found is None:
        raise ValueError(f"found {shown(value)}; should be text that is not blank, or a number")
    return found


_SYNONYMS = {"warning": "warn", "err": "error", "critical": "error", "fatal": "error"}


def _severity(value: object) -> object:
    """Return the word of the contract for other spellings of it."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    return _SYNONYMS.get(word, word)


_NO_SWITCH: Final = BeforeValidator(_no_switch)
_TEXT_OR_NUMBER: Final = [{"type": "string"}, {"type": "number"}]

Moment: TypeAlias = Annotated[
    int,
    BeforeValidator(_nanoseconds),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}),
]
Identity: TypeAlias = Annotated[
    str | None, BeforeValidator(_identity), WithJsonSchema({"anyOf": [*_TEXT_OR_NUMBER, {"type": "null"}]})
]
RequiredIdentity: TypeAlias = Annotated[
    str, BeforeValidator(_required_identity), WithJsonSchema({"anyOf": _TEXT_OR_NUMBER})
]
Name: TypeAlias = Annotated[str, Field(min_length=1)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False), _NO_SWITCH]
Cost: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False), _NO_SWITCH]
Milliseconds: TypeAlias = Annotated[float, Field(ge=0, le=_YEAR_MS, allow_inf_nan=False), _NO_SWITCH]
Count: TypeAlias = Annotated[int, Field(ge=0, le=_INT64), _NO_SWITCH]
Severity: TypeAlias = Annotated[Literal["debug", "info", "warn", "error"], BeforeValidator(_severity)]
Json: TypeAlias = Any
