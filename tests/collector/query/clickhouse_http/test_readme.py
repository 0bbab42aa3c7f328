"""The table of features names tests that there are."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import collector.query.clickhouse_http as package

README = Path(package.__file__).with_name("README.md")
NAMED = re.compile(r"`(test_\w+\.py)(?:::(test_[\w*]+))?`")


def test_every_feature_names_its_tests() -> None:
    """A row without a test says so with a dash; a test that was renamed is noticed."""
    rows = [line for line in README.read_text().splitlines() if line.startswith("|") and "---" not in line]
    rows = [line for line in rows if not line.endswith("| Test |")]
    assert len(rows) > 30
    for row in rows:
        named = NAMED.findall(row.rstrip(" |").rpartition("|")[2])
        assert named or row.endswith("| - |"), row
        for file, wanted in named:
            source = Path(__file__).with_name(file).read_text()
            found = re.findall(r"def (test_\w+)\(", source)
            assert any(fnmatch(name, wanted or "*") for name in found), (file, wanted)
