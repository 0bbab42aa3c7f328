"""What each error of ClickHouse means is a table, and the table says what the engine says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from collector.load import clickhouse_errors
from collector.load.clickhouse_errors import RULES, Fate, classify


def test_codes_and_names_are_the_engines(engine: Any) -> None:
    """Every code in the table is known to the engine under that very name."""
    known = engine.ask("SELECT DISTINCT code, name FROM system.errors SETTINGS system_events_show_zero_values = 1")
    assert {code: rule.name for code, rule in RULES.items()}.items() <= dict(known).items()


def test_no_code_stands_twice() -> None:
    """A code has one fate."""
    written = re.findall(r"\b[A-Z0-9_]{4,}=(\d+)[,)]", Path(clickhouse_errors.__file__).read_text())
    assert len(written) == len(set(written)) == len(RULES) > 100


def test_each_rule_says_why_and_what_to_do() -> None:
    """Whoever has to act is told what to do; for the others there is nothing to do."""
    assert all(rule.why for rule in RULES.values())
    assert {code for code, rule in RULES.items() if rule.hint} == {
        code for code, rule in RULES.items() if rule.fate is Fate.OPERATOR
    }


FATES = {
    **dict.fromkeys((209, 210, 202, 252, 999, 319, 236, 745), Fate.TRANSIENT),
    **dict.fromkeys((60, 16, 497, 516, 115, 164, 242, 243, 434, 73, 774), Fate.OPERATOR),
    **dict.fromkeys((241, 159, 49, 1001, 1002, 31_999), Fate.SUSPECT),
    **dict.fromkeys((33, 32, 444, 117, 36, 69, 407, 469), Fate.DATA),
}


@pytest.mark.parametrize("code", sorted(FATES))
def test_fate(code: int) -> None:
    """The errors that matter most, one by one; one that is not in the table is a suspect."""
    verdict = classify(DatabaseError(f"Code: {code}. DB::Exception: so it is", code=code))
    assert (verdict.code, verdict.fate) == (code, FATES[code])
    assert verdict.expected


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(111, "refused"), TimeoutError(), ClickHouseError("HTTP 502"), KeyError("our fault")],
)
def test_without_a_code(error: Exception) -> None:
    """The network, a proxy, the disk, and whatever else carries no code: never a reason to set data aside."""
    verdict = classify(error)
    assert (verdict.fate, verdict.parser) == (Fate.TRANSIENT, False)
    assert verdict.sentence
    assert verdict.expected is not isinstance(error, KeyError)


def test_the_parser(engine: Any, tmp_path: Path) -> None:
    """An error of the parser is told from all others: of such bytes nothing can have been stored."""
    path = tmp_path / "01790000000000000000-1a2b3c4d-traces.ready"
    path.write_bytes(b"\x7a\x7fabc")
    with pytest.raises(ClickHouseError) as caught:
        engine.insert(path)
    verdict = classify(caught.value)
    assert (verdict.fate, verdict.parser) == (Fate.DATA, True)
    with pytest.raises(ClickHouseError) as caught:
        engine.ask("SELECT throwIf(1)")
    verdict = classify(caught.value)
    assert (verdict.fate, verdict.parser) == (Fate.DATA, False)


def test_one_line_for_people() -> None:
    """The sentence is one line, says each thing once, and ends with what to do."""
    text = """Code: 60. DB::Exception: Code: 60. DB::Exception: Table otel.otlp_traces does not exist. (UNKNOWN_TABLE) \
(version 26.9.2.1 (official build)). (UNKNOWN_TABLE)\nStack trace: …"""
    assert classify(DatabaseError(text, code=60)).sentence == (
        "Code: 60. DB::Exception: Table otel.otlp_traces does not exist. (UNKNOWN_TABLE); hint: the tables are not as "
        "this version made them; run `otel-interactions schema migrate`, and see what changed"
    )
