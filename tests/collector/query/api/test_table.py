"""The paths in the collector's README are those that there are."""

from __future__ import annotations

import os
import re
from pathlib import Path

from collector.query import api

README = Path(__file__).parents[4] / "collector" / "README.md"


def test_the_table_of_paths() -> None:
    """The table is the one the code has, and every path has a sentence."""
    text, table = README.read_text(), api.table()
    assert table.count("\n") > 12
    assert not [line for line in table.splitlines() if line.endswith("|  |")]
    found = re.search(r"(<!-- api:.*?-->\n)(.*?)(<!-- end -->)", text, re.DOTALL)
    assert found
    if os.environ.get("REGENERATE"):
        README.write_text(text[: found.start(2)] + table + "\n" + text[found.end(2) :])
    else:
        assert found[2].strip() == table, "run: REGENERATE=1 make test"
