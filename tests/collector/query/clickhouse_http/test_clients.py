"""Clients as their users have them, over a real socket: @clickhouse/client, clickhouse-go (Grafana), JDBC (DBeaver).

Each is a small program in `clients/`; it asks everything once and prints what it got. What a client needs is installed
into a temporary directory by its own tool, in the version its manifest names; where that cannot be had, its tests skip.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).with_name("clients")
KEY = "s3cret"


def installed(name: str, folder: Path, *commands: list[str]) -> Path:
    """Copy a client's program and let its tools fetch what it needs; skip where they cannot."""
    shutil.copytree(CLIENTS / name, folder, dirs_exist_ok=True)
    for command in commands:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"{' '.join(command[:2])} cannot fetch what the client needs: {done.stderr[-300:]}")
    return folder


def printed(command: list[str], folder: Path) -> str:
    """Return what a client says."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def node(locked_sql, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What @clickhouse/client got."""
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
    folder = installed("node", tmp_path_factory.mktemp("node"), install)
    found: dict[str, Any] = json.loads(
        printed(["node", "client.mjs", f"http://127.0.0.1:{locked_sql.port}", KEY], folder)
    )
    return found


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ("ping", True),
        ("ping with a statement", True),
        ("rows", [{"id": 0, "word": "word0"}, {"id": 1, "word": "word1"}]),
        ("text", '"a"\n1\n'),
        ("an empty result", '"id"\n'),
        ("stream JSONEachRow", 300_000),
        ("stream CSVWithNames", 300_001),
        ("stream JSONCompactEachRowWithNamesAndTypes", 300_002),
        ("stream compressed", 300_000),
        ("compressed", "gzip"),
        ("a codec not spoken here", [{"n": 7}]),
        (
            "parameters",
            [{"s": "it's\ta \\ text\n", "a": ["x'", "y"], "d": "2023-11-14 22:13:20.123", "m": {"x": 1}, "n": None}],
        ),
        ("settings", [{"threads": 1, "big": "1"}]),
        ("session", [{"zone": "Asia/Tokyo"}]),
        ("summary", {"query_id": "from-node", "result_rows": "1"}),
        ("exec", "1\n"),
        ("progress", True),
        ("leave a stream", True),
        ("afterwards", [{"a": 1}]),
    ],
)
def test_node(node: dict[str, Any], case: str, value: object) -> None:
    """@clickhouse/client: JSON, streams, parameters, settings, sessions, compression."""
    assert node[case] == {"value": value}


def test_node_json(node: dict[str, Any]) -> None:
    """Its default format, with meta and statistics."""
    found = node["json"]["value"]
    assert found["data"] == [{"id": 0, "word": "word0"}, {"id": 1, "word": "word1"}]
    assert (found["rows"], found["meta"][0]) == (2, {"name": "id", "type": "UInt64"})


def test_node_sees_progress_in_headers(node: dict[str, Any]) -> None:
    """As many lines as there was time for, each a JSON object."""
    assert {"read_rows", "read_bytes", "total_rows_to_read", "elapsed_ns"} <= set(node["progress headers"]["value"])


@pytest.mark.parametrize(
    ("case", "code", "kind"),
    [
        ("error", "47", "UNKNOWN_IDENTIFIER"),
        ("an error half way", "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("insert", "164", "READONLY"),
        ("insert compressed", "164", "READONLY"),
        ("a wrong key", "516", "AUTHENTICATION_FAILED"),
    ],
)
def test_node_errors(node: dict[str, Any], case: str, code: str, kind: str) -> None:
    """Its ClickHouseError has the code and the name, before the first row and after."""
    assert (node[case].get("code"), node[case].get("type")) == (code, kind)


def test_node_aborts(node: dict[str, Any]) -> None:
    """An AbortController ends the request."""
    assert "aborted" in node["abort"]["error"]


@pytest.fixture(scope="module")
def go(locked_sql, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What clickhouse-go got over HTTP."""
    folder = installed("go", tmp_path_factory.mktemp("go"), ["go", "build", "-o", "client", "."])
    found: dict[str, Any] = json.loads(printed(["./client", f"127.0.0.1:{locked_sql.port}", KEY], folder))
    return found


METHODS = ["none", "gzip", "lz4", "zstd", "deflate", "br"]


@pytest.mark.parametrize("method", METHODS)
def test_go(go: dict[str, Any], method: str) -> None:
    """clickhouse-go, with each compression it offers over HTTP: Grafana uses gzip."""
    assert go[f"{method} ping"] == {"value": True}
    assert go[f"{method} one"] == {"value": "word7"}
    assert go[f"{method} bound"] == {"value": "word9"}
    assert go[f"{method} many"] == {"value": 300_000}
    assert go[f"{method} empty"] == {"value": 0}


@pytest.mark.parametrize("method", METHODS)
def test_go_errors(go: dict[str, Any], method: str) -> None:
    """An error is a sentence, whether it comes instead of rows or after some, and whatever compresses it."""
    assert "Code: 47. DB::Exception: Unknown expression identifier `nothing`" in go[f"{method} error"]["error"]
    assert "Code: 395. DB::Exception: half way: while executing" in go[f"{method} half way"]["error"]


def test_go_limits(go: dict[str, Any]) -> None:
    """A deadline ends a statement, settings arrive, nothing is written, a wrong key is told."""
    assert "deadline exceeded" in go["deadline"]["error"]
    assert go["settings"] == {"value": "Asia/Tokyo"}
    assert "Code: 164" in go["insert"]["error"]
    assert "Code: 516" in go["a wrong key"]["error"]


@pytest.fixture(scope="module")
def jdbc(locked_sql, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the JDBC driver got with its defaults, LZ4 frames among them."""
    fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
    folder = installed("jdbc", tmp_path_factory.mktemp("jdbc"), ["java", "-version"], fetch)
    said = printed(["java", "-cp", "jars/*", "Client.java", f"127.0.0.1:{locked_sql.port}", KEY], folder)
    return dict(line.split("\t", 1) for line in said.splitlines())


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ("valid", "true"),
        ("many", "300000"),
        ("empty", "word"),
        ("prepared", "[verb]"),
        ("types", "[1.50, true, null, 18446744073709551615, 2024-02-03, {a=1}]"),
        ("tables", "[nouns:VIEW, odd/name:TABLE, owned:TABLE, words:TABLE]"),
        ("columns", "[id:UInt64, word:String, kind:LowCardinality(String)]"),
        ("schemas", "[INFORMATION_SCHEMA, default, information_schema, otel, system]"),
        ("types known", "true"),
        ("keys", "[id]"),
        ("indexes", "0"),
        ("functions", "true"),
        ("use", "false"),  # no rows came: that is no error
        ("set", "false"),
        ("schema", "[system]"),
        ("rows at most", "5"),
    ],
)
def test_jdbc(jdbc: dict[str, str], case: str, value: str) -> None:
    """The driver connects, asks, and tells what there is, as DBeaver's tree does."""
    assert jdbc[case] == value


@pytest.mark.parametrize(("case", "code"), [("error", 47), ("insert", 164), ("a wrong key", 516)])
def test_jdbc_errors(jdbc: dict[str, str], case: str, code: int) -> None:
    """Its SQLException is our sentence."""
    assert jdbc[case].startswith(f"error: Code: {code}. DB::Exception: ")
