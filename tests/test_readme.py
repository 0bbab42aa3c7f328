"""README says what the code does."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import otel_interactions
from collector import settings

README = Path(__file__).parents[1] / "README.md"


def collector_table() -> str:
    """Write the collector's settings as Markdown."""
    rows = [
        f"| `{row.flag}` | `{row.variable}` | {row.kind.replace('|', ', ')} | {row.default} | {row.sentence} |"
        for row in settings.table().values()
    ]
    return "\n".join(("| flag | variable | takes | default | |", "|---|---|---|---|---|", *rows))


def sdk_table() -> str:
    """Write the SDK's settings as Markdown."""
    rows = [
        f"| {f'`{row.name}`' if row.name else ''} | {', '.join(f'`{name}`' for name in row.env)} "
        f"| {row.type.replace('|', ',')} | {row.default} | {row.sentence} |"
        for row in otel_interactions.SETTINGS
    ]
    return "\n".join(("| argument | variables | takes | default | |", "|---|---|---|---|---|", *rows))


@pytest.mark.parametrize(("name", "table"), [("collector settings", collector_table()), ("sdk settings", sdk_table())])
def test_settings_tables(name: str, table: str) -> None:
    """Each settings table in README is the one the code has."""
    found = re.search(rf"(<!-- {name}:.*?-->\n)(.*?)(<!-- end -->)", README.read_text(), re.DOTALL)
    assert found
    if os.environ.get("REGENERATE"):
        text = README.read_text()
        README.write_text(text[: found.start(2)] + table + "\n" + text[found.end(2) :])
    else:
        assert found[2].strip() == table, "run: REGENERATE=1 make test"


def test_ten_lines() -> None:
    """The example under "Record" uses names that exist."""
    example = README.read_text().split("```python")[1].split("```")[0]
    used = set(re.findall(r"\boi\.(\w+)", example))
    assert used, "the example is gone"
    assert used <= set(otel_interactions.__all__)


def test_make_targets() -> None:
    """Every `make` target README names is in the Makefile."""
    makefile = (README.parent / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", README.read_text())) - {"alone"}
    assert named
    assert {target for target in named if f"\n{target}:" not in makefile} == set()


def test_promises() -> None:
    """Every test the collector's README names exists."""
    root = README.parent
    promised = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (root / "collector" / "README.md").read_text())
    assert len(promised) > 20
    for path, name in promised:
        assert (root / path).is_file(), path
        assert f"def {name}(" in (root / path).read_text() or not name, (path, name)
