"""The folder of questions as a whole."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from collector.query import questions

README = Path(questions.__file__).parents[1] / "README.md"
SQL = Path(questions.__file__).parent / "sql"
EVERY = sorted(file.stem for file in SQL.glob("*.sql"))
NOTHING = {"since": "1980-01-01", "until": "1980-01-02", "session": "nobody's", "tenant": "nobody", "steps": ["a", "b"]}
ALWAYS_A_ROW = {"overview", "stats", "funnel", "active_sessions"}
READ_CONTENT = {"top_prompts", "journey", "unresolved_errors"}
SAMPLES = {
    "Identifier": "attributes",
    "String": "",
    "UInt32": 5,
    "Int64": 0,
    "Float64": 0.0,
    "Bool": True,
    "UInt64": 60,
    "Array(String)": ["a"],
}


@pytest.mark.parametrize("name", EVERY)
def test_it_begins_with_its_question(name: str) -> None:
    """The first line is a comment that asks, so that people find it; the statement is one and has no semicolon."""
    assert re.match(r"-- [A-Z]", questions.text(name))
    assert ";" not in re.sub(r"--.*", "", questions.text(name))


@pytest.mark.parametrize("name", EVERY)
def test_it_runs(engine: Any, name: str) -> None:
    """Each file runs with the parameters that it declares, and names each of its columns."""
    given = {
        key: NOTHING[key] if "DateTime" in kind else SAMPLES[kind] for key, kind in questions.parameters(name).items()
    }
    found = engine.database._client.query(questions.text(name), parameters=given)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column) for column in found.column_names)


@pytest.mark.parametrize("name", questions.names())
def test_nothing_there(engine: Any, name: str) -> None:
    """Where nothing happened the answer is empty, or says nothing in each column of its rows."""
    given = {key: ({**questions.DEFAULTS, **NOTHING})[key] for key in questions.parameters(name)}
    found = engine.database._client.query(questions.text(name), parameters=given)
    if name not in ALWAYS_A_ROW:
        assert found.result_rows == []
    elif name == "funnel":
        assert found.result_rows == [(1, "a", 0, None, None), (2, "b", 0, None, None)]
    else:
        (row,) = found.result_rows
        assert not any(row)
        assert "nan" not in repr(row)


@pytest.mark.parametrize("name", questions.names())
def test_its_comment_says_its_parameters(name: str) -> None:
    """Each parameter is explained, none is without a use; times are always `since` and `until`, in UTC."""
    comment = "\n".join(line for line in questions.text(name).splitlines() if line.startswith("--"))
    assert questions.title(name).endswith("?")
    assert set(re.findall(r"`(\w+)`", comment.partition("Parameters:")[2])) >= set(questions.parameters(name))
    said = re.match(r"[^.]*", comment.partition("Parameters:")[2])
    assert said
    assert set(re.findall(r"`(\w+)`", said[0])) == set(questions.parameters(name))
    times = {key for key, kind in questions.parameters(name).items() if kind == "DateTime64(9, 'UTC')"}
    assert times in ({"since", "until"}, set())
    assert "tenant" in questions.parameters(name)


@pytest.mark.parametrize("name", questions.names())
def test_charts_read_no_content(engine: Any, name: str) -> None:
    """No question reads what people said, save those that show it."""
    given = {key: ({**questions.DEFAULTS, **NOTHING})[key] for key in questions.parameters(name)}
    plan = engine.ask(f"EXPLAIN header = 1 {questions.text(name)}", **given)
    assert ("SpanAttributes" in "\n".join(row[0] for row in plan)) == (name in READ_CONTENT)


def test_the_table() -> None:
    """The table for people has a line for each question, with its words and its parameters."""
    lines = questions.table().splitlines()
    assert len(lines) == 2 + len(questions.names())
    assert "| `journey` | What happened in this session, in order? | `session`, `tenant` |" in lines
    assert not any(name in questions.names() for name in ("tail", "sessions", "missing_sequence_numbers"))


def test_the_table_in_readme() -> None:
    """The table of questions in collector/README.md is the one that their comments make."""
    text = README.read_text()
    found = re.search(r"(<!-- questions:.*?-->\n)(.*?)(<!-- end -->)", text, re.DOTALL)
    assert found
    if os.environ.get("REGENERATE"):
        README.write_text(text[: found.start(2)] + questions.table() + "\n" + text[found.end(2) :])
    else:
        assert found[2].strip() == questions.table(), "run: REGENERATE=1 make test"
