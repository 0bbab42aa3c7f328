"""What the operator says of tenants and of prices, written into ClickHouse when the collector starts.

In: settings. Out: rows of `otel.tenant_settings` and `otel.model_prices`, which views and questions read.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.clickhouse import ClickHouse
from collector.errors import StartError

Price = dict[str, Any]  # a row of otel.model_prices
_NO_TIME = 0.0  # a tenant's idle time that is none: the view takes the one of all


def write_idle_seconds(database: ClickHouse, of_all: float, of_tenant: Mapping[str, float]) -> None:
    """Say after how many seconds without activity a session is abandoned; tenants no longer named are as all others."""
    before = database.rows("SELECT DISTINCT tenant FROM otel.tenant_settings WHERE tenant != ''")
    wanted = {str(tenant): _NO_TIME for (tenant,) in before} | dict(of_tenant) | {"": of_all}
    rows = [{"tenant": tenant, "session_idle_seconds": seconds} for tenant, seconds in wanted.items()]
    database.insert("otel.tenant_settings", rows)


def read_prices(path: Path) -> list[Price]:
    """Return the prices of a CSV file.

    Raises:
        StartError: the file cannot be read, or is not such a file.
    """
    return list(_prices(path))


def write_prices(database: ClickHouse, prices: Sequence[Price]) -> None:
    """Add prices; one that is there already is written again, which changes nothing."""
    database.insert("otel.model_prices", prices)


def _dollars(text: str) -> float:
    if not (math.isfinite(price := float(text)) and price >= 0):
        raise ValueError(f"{text!r} is no price")
    return price


def _name(text: str) -> str:
    if not text:
        raise ValueError("a model has a name")
    return text


# What each column takes, with the value of one that is not there.
_COLUMNS: dict[str, tuple[Callable[[str], Any], Any]] = {
    "tenant": (str, ""),
    "provider": (str, ""),
    "model": (_name, None),
    "valid_from": (dt.date.fromisoformat, None),
    "input_usd": (_dollars, None),
    "cached_input_usd": (lambda text: _dollars(text) if text else None, ""),
    "output_usd": (_dollars, None),
}
_HINT = f"it is CSV: the first line names the columns, of {','.join(_COLUMNS)}, each further line is one price"


def _prices(path: Path) -> Iterator[Price]:
    try:
        with path.open(newline="") as file:
            lines = csv.DictReader(file, strict=True)
            for line in lines:
                yield {column: _value(path, lines.line_num, line, column) for column in _COLUMNS}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StartError(f"--model-prices {path} cannot be read: {error}", hint=_HINT) from error


def _value(path: Path, number: int, line: Mapping[str | None, Any], column: str) -> Any:
    where = f"--model-prices {path}, line {number}"
    if foreign := [name for name in line if name not in _COLUMNS]:
        what = "there are more values than columns" if foreign[0] is None else f"there is no column {foreign[0]!r}"
        raise StartError(f"{where}: {what}", hint=_HINT)
    read, absent = _COLUMNS[column]
    if (text := line.get(column, absent)) is None:
        raise StartError(f"{where}: {column} is missing", hint=_HINT)
    try:
        return read(text.strip())
    except ValueError as error:
        raise StartError(f"{where}: {column} cannot be {text!r}: {error}", hint=_HINT) from error
