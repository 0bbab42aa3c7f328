"""What a field takes, and what it says of the rest."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from collector.receive.json_api.fields import (
    Count,
    Identity,
    Milliseconds,
    Moment,
    NoShape,
    Number,
    RequiredIdentity,
    Severity,
    as_json,
    one_of,
    shown,
)

MOMENT = TypeAdapter(Moment)
SECOND = 10**9
MARCH = 1_709_296_496  # 2024-03-01T12:34:56Z


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        (MARCH * 1000, MARCH * SECOND),
        (MARCH * 1000 + 0.25, MARCH * SECOND + 250_000),
        (float(MARCH * 1000), MARCH * SECOND),
        (MARCH, MARCH * SECOND),
        (MARCH + 0.5, MARCH * SECOND + SECOND // 2),
        (str(MARCH * 1000), MARCH * SECOND),
        ("2024-03-01T12:34:56Z", MARCH * SECOND),
        (" 2024-03-01 12:34:56 ", MARCH * SECOND),
        ("2024-03-01T12:34:56.123456789Z", MARCH * SECOND + 123_456_000),
        ("2024-03-01T14:34:56+02:00", MARCH * SECOND),
        ("20240301T123456Z", MARCH * SECOND),
        ("2024-03-01", (MARCH - 45_296) * SECOND),
        (946_684_800_000, 946_684_800 * SECOND),
        ("2099-12-31T23:59:59Z", 4_102_444_799 * SECOND),
    ],
)
def test_moments(written: Any, nanoseconds: int) -> None:
    """Milliseconds, seconds, either as text, ISO 8601 with and without zone: all become nanoseconds since 1970."""
    assert MOMENT.validate_python(written) == nanoseconds


def test_moments_without_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in UTC, wherever the collector runs."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert MOMENT.validate_python("2024-03-01T12:34:56") == MARCH * SECOND
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "written",
    [
        *(-1, 0, 5, 12_345.6, 946_684_799_999, 4_102_444_800_000, 32_503_680_000_000, 1.7e18, 1e300, 2**64 - 1),
        *("", "now", "3000-01-01", "1999-12-31T23:59:59Z", "NaN", "inf", "2024-13-01", "Fri Mar 01 2024"),
        *(True, False, [], {}, [MARCH], {"seconds": MARCH}, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
    ],
)
def test_no_moments(written: Any) -> None:
    """Never set clocks, milliseconds since the page was loaded, the year 3000, other text: told what was found."""
    with pytest.raises(ValidationError, match="allowed are milliseconds since 1970, or ISO 8601") as refused:
        MOMENT.validate_python(written)
    assert f"found {shown(written)}; " in str(refused.value)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda d: d.replace(tzinfo=UTC)))  # noqa: DTZ001
def test_moments_are_exact(moment: datetime) -> None:
    """To the microsecond as text, and as exact as a double of milliseconds can say."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000
    assert MOMENT.validate_python(moment.isoformat()) == expected
    assert MOMENT.validate_python(expected // 10**6) == expected // 10**6 * 10**6
    if expected >= 1e17:  # below it milliseconds would read as seconds
        assert abs(MOMENT.validate_python(expected / 1e6) - expected) < 1000


@pytest.mark.parametrize(
    ("written", "read"), [("a", "a"), (" a ", " a "), (7, "7"), (7.5, "7.5"), (None, None), ("", None), (" \t", None)]
)
def test_ids(written: Any, read: str | None) -> None:
    """Text or a number; blank is none."""
    assert TypeAdapter(Identity).validate_python(written) == read
    required = TypeAdapter(RequiredIdentity)
    if read is not None:
        assert required.validate_python(written) == read
        return
    with pytest.raises(ValidationError, match="should be text that is not blank, or a number"):
        required.validate_python(written)


@pytest.mark.parametrize("kind", [Identity, RequiredIdentity, Number, Milliseconds, Count])
@pytest.mark.parametrize("written", [True, [], {}])
def test_neither_ids_nor_numbers(kind: Any, written: Any) -> None:
    """A switch is no number and no id, nor is a container."""
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(written)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Number, (0, -1.5, "2.5", 1e308), ("nan", "inf", "x", None)),
        (Milliseconds, (0, 1.5, "2", 31_622_400_000), (-0.001, 31_622_400_001, "nan")),
        (Count, (0, 5.0, "7", 2**63 - 1), (-1, 1.5, 2**63)),
        (Severity, ("debug", "INFO", "warning", "fatal"), ("loud", "", 3)),
    ],
)
def test_bounds(kind: Any, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    """What a number or a severity may be, to the edge."""
    adapter = TypeAdapter(kind)
    for written in good:
        adapter.validate_python(written)
    for written in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(written)


def test_severities() -> None:
    """Other spellings become the words of the contract, the same as in the SDK."""
    adapter = TypeAdapter(Severity)
    assert [adapter.validate_python(word) for word in ("Warning", "err", "CRITICAL", " fatal ", "debug")] == [
        *("warn", "error", "error", "error", "debug"),
    ]


def test_words() -> None:
    """Sentences repeat what was found, cut where it is long, and name what to choose from."""
    assert shown("é") == '"é"'
    assert shown("x" * 1000) == f'"{"x" * 79}… (1002 characters)'
    assert one_of(["a", "b", "c"]) == "a, b or c"


def test_too_deep() -> None:
    """What orjson reads but does not write is told, not a fault."""
    deep = orjson.loads("[" * 1000 + "]" * 1000)
    with pytest.raises(NoShape, match="nested too deep"):
        as_json(deep)
    assert shown(deep) == "a value nested too deep"
