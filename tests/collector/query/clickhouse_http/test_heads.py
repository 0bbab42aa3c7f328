"""Formats with a head, streamed: byte for byte what the engine writes when it makes them whole."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from collector.query.clickhouse_http import heads
from collector.query.clickhouse_http.query_error import QueryError

# An engine of its own, since a process has one data directory: (statement, format) -> a file.
WHOLE = """
import sys, chdb
statement, folder, *formats = sys.argv[1:]
for name in formats:
    open(f"{folder}/{name}", "wb").write(bytes(chdb.query(statement, name).bytes()))
"""
MANY = (
    "SELECT number AS `a \"b\"\n,c\t\\\\'d`, repeat('\"\n', number % 3) AS text, [number] AS `é` FROM numbers(200000)"
)
NONE = "SELECT number AS `a \"b\"\n,c`, 'x' AS text, number AS n, number AS n FROM numbers(10) WHERE number > 10"
FORMATS = sorted(heads.HEADED)


@pytest.fixture(scope="module", params=[MANY, NONE], ids=["many", "none"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A statement, and a folder with its results as they should be."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run([sys.executable, "-c", WHOLE, request.param, str(folder), *FORMATS], check=True, timeout=120)
    return request.param, folder


@pytest.mark.parametrize("name", FORMATS)
def test_streamed_as_whole(sql, case: tuple[str, Path], name: str) -> None:
    """With many blocks, and with no row at all."""
    statement, folder = case
    expected = (folder / name).read_bytes()
    reply = sql.ask(statement, default_format=name)
    assert reply.status_code == 200, reply.text
    assert expected
    assert ("content-length" in reply.headers) == (len(expected) < 1 << 20)
    if name == "ArrowStream":  # blocks are cut elsewhere
        tables = [pa.ipc.open_stream(io.BytesIO(data)).read_all() for data in (reply.content, expected)]
        assert tables[0].equals(tables[1])
    else:
        assert reply.content == expected


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("CSVWithNames", "format_csv_delimiter", '"'),
        ("CSVWithNames", "output_format_csv_crlf_end_of_line", "1"),
        ("RowBinaryWithNamesAndTypes", "output_format_binary_encode_types_in_binary_format", "1"),
        ("JSONCompactEachRowWithNames", "output_format_json_array_of_rows", "1"),
        ("ArrowStream", "output_format_arrow_low_cardinality_as_dictionary", "1"),
    ],
)
def test_what_reshapes_a_head_is_not_streamed(sql, tmp_path: Path, name: str, setting: str, value: str) -> None:
    """Then the result is made whole, as all formats with a foot are."""
    rows = "SELECT toLowCardinality(toString(number % 3)) AS a, number FROM numbers(200000)"
    statement = f"{rows} ORDER BY number SETTINGS {setting} = '{value}'"
    subprocess.run([sys.executable, "-c", WHOLE, statement, str(tmp_path), name], check=True, timeout=60)
    assert sql.ask(statement, default_format=name).content == (tmp_path / name).read_bytes()


def test_blocks_that_do_not_agree_are_not_joined() -> None:
    """Half an answer with an error, not a wrong one."""
    joiner = heads.Joiner("TSVWithNames")
    assert joiner.next(b"a\n1\n") == b"a\n1\n"
    assert joiner.next(b"a\n2\n") == b"2\n"
    with pytest.raises(QueryError, match="columns changed"):
        joiner.next(b"b\n3\n")


def test_a_statement_without_rows_is_not_run_twice(sql) -> None:
    """Its head is had by a subquery without rows."""
    slow = "SELECT id, sleepEachRow(0.9) AS s FROM words WHERE id < 3 AND NOT ignore(s) AND s = 1"
    reply = sql.ask(slow, default_format="CSVWithNames")  # 2.7 s of the 4 there are
    assert reply.text == '"id","s"\n'
