"""Numbers in Grafana's units, as people read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

NOTHING: Final = "-"
_Steps = Sequence[tuple[float, str]]  # (from which size on, name of the unit of that size), largest first

_MILLISECONDS: Final[_Steps] = ((864e5, " day"), (36e5, " hour"), (6e4, " min"), (1e3, " s"), (1, " ms"), (1e-3, " µs"))
_SECONDS: Final[_Steps] = tuple((size / 1000, name) for size, name in _MILLISECONDS)
_BYTES: Final[_Steps] = ((2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))
_SHORT: Final[_Steps] = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"))


def shown(value: float | None, unit: str, now: float = 0) -> str:
    """Return a number with its unit.

    Args:
        value: the number.
        unit: Grafana's id of it; what is not known is shown as `short`.
        now: seconds since 1970, for times that are told from now.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if unit == "dateTimeFromNow":
        return _ago(now - value / 1000)
    return _WAYS.get(unit, _short)(value)


def moment(seconds: float, pattern: str = "%F %T") -> str:
    """Return a time (s since 1970) in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime(pattern)


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that tell something, and no zeros behind them."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 8)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(steps: _Steps, smallest: str = "") -> Callable[[float], str]:
    def write(value: float) -> str:
        for size, name in steps:
            if abs(value) >= size * 0.9995:  # 999.9 ms are 1 s
                return number(value / size) + name
        return number(value) + smallest if value else "0" + smallest

    return write


_short = _scaled(_SHORT)


def _dollars(value: float) -> str:
    if abs(value) >= 1e4:  # noqa: PLR2004 - dollars and cents say nothing any more
        return "$" + _short(value)
    return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else "$" + number(value, 2)


def _ago(seconds: float) -> str:
    if seconds < 45:  # noqa: PLR2004 - as Grafana says it
        return "a few seconds ago"
    return _scaled(_SECONDS)(seconds) + " ago"


_WAYS: Final[Mapping[str, Callable[[float], str]]] = {
    "short": _short,
    "none": number,
    "ms": _scaled(_MILLISECONDS, " ms"),
    "s": _scaled(_SECONDS, " s"),
    "bytes": _scaled(_BYTES, " B"),
    "ops": lambda value: f"{_short(value)} ops/s",
    "percent": lambda value: f"{number(value)} %",
    "percentunit": lambda value: f"{number(value * 100)} %",
    "currencyUSD": _dollars,
}
