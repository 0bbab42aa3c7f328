"""Clients as their users have them, over a real socket: @clickhouse/client, clickhouse-go (Grafana), JDBC (DBeaver).

Each is a small program in `clients/`; it asks everything once and prints what it got. It is made once, in the versions
its manifest names, and kept in pytest's cache. npm fetches what it needs (6 s); Go and Maven take it from where they
keep what they fetched before, else their tests skip and say what to run (a minute each, the first time).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).with_name("clients")
KEY = "s3cret"
NPM = ["npm", "install", "--silent", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock"]
GO = ["go", "build", "-o", "client", "."]
MAVEN = ["mvn", "-o", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
JAVAC = ["javac", "-cp", "jars/*", "Client.java"]
FIRST = {
    "node": "npm cannot fetch it",
    "go": "run `go mod download` in clients/go once",
    "jdbc": "run `mvn dependency:copy-dependencies -DoutputDirectory=/tmp/jars` in clients/jdbc once",
}


def made(config: pytest.Config, name: str, *commands: list[str]) -> Path:
    """Return the folder with a client ready to run; skip where its tools, or what they need, are not here."""
    sources = sorted((CLIENTS / name).iterdir())
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()[:12]
    kept: Path = config.cache.mkdir("sql-clients") / f"{name}-{digest}"  # type: ignore[union-attr]
    if kept.exists():
        return kept
    making = Path(tempfile.mkdtemp(dir=kept.parent)) / name
    shutil.copytree(CLIENTS / name, making)
    for command in commands:
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        environment = os.environ | {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
        try:
            subprocess.run(command, cwd=making, env=environment, capture_output=True, timeout=120, check=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            shutil.rmtree(making.parent)
            pytest.skip(f"what {name} needs is not here: {FIRST[name]}")
    with contextlib.suppress(OSError):  # somebody else was faster
        making.rename(kept)
    shutil.rmtree(making.parent)
    return kept


def printed(command: list[str], folder: Path) -> str:
    """Return what a client says."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def node(locked_sql, pytestconfig: pytest.Config) -> dict[str, Any]:
    """What @clickhouse/client got."""
    folder = made(pytestconfig, "node", NPM)
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
        ("stream JSONEachRow", 100_000),
        ("stream CSVWithNames", 100_001),
        ("stream JSONCompactEachRowWithNamesAndTypes", 100_002),
        ("stream compressed", 100_000),
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
def go(locked_sql, pytestconfig: pytest.Config) -> dict[str, Any]:
    """What clickhouse-go got over HTTP."""
    folder = made(pytestconfig, "go", GO)
    found: dict[str, Any] = json.loads(printed(["./client", f"127.0.0.1:{locked_sql.port}", KEY], folder))
    return found


METHODS = ["none", "gzip", "lz4", "zstd", "deflate", "br"]


@pytest.mark.parametrize("method", METHODS)
def test_go(go: dict[str, Any], method: str) -> None:
    """clickhouse-go, with each compression it offers over HTTP: Grafana uses gzip."""
    assert go[f"{method} ping"] == {"value": True}
    assert go[f"{method} one"] == {"value": "word7"}
    assert go[f"{method} bound"] == {"value": "word9"}
    assert go[f"{method} many"] == {"value": 100_000}
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
def jdbc(locked_sql, pytestconfig: pytest.Config) -> dict[str, str]:
    """What the JDBC driver got with its defaults, LZ4 frames among them."""
    folder = made(pytestconfig, "jdbc", MAVEN, JAVAC)
    said = printed(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", "jars/*:.", "Client", f"127.0.0.1:{locked_sql.port}", KEY], folder
    )
    return dict(line.split("\t", 1) for line in said.splitlines())


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ("valid", "true"),
        ("many", "100000"),
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
