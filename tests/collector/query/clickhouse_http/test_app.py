"""The ClickHouse HTTP interface as curl and httpx see it."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

BUSY = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"
SLEEPY = "SELECT sleepEachRow(0.1) FROM numbers(1000) SETTINGS max_block_size = 5"
LONG = "SELECT number, repeat('x', 100) FROM numbers(100000000)"


def curl(sql, path: str, *arguments: str) -> str:
    """Run the real curl."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = ["curl", "-sS", *arguments, f"http://127.0.0.1:{sql.port}{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_curl(sql):
    """The one-liners of ClickHouse's documentation."""
    assert curl(sql, "/") == "Ok.\n"
    assert curl(sql, "/ping") == "Ok.\n"
    assert curl(sql, "/replicas_status") == "Ok.\n"
    assert curl(sql, "/?query=SELECT%201") == "1\n"
    assert curl(sql, "/", "-d", "SELECT 1") == "1\n"
    assert curl(sql, "/?query=SELECT%20id", "-d", "FROM words LIMIT 1 OFFSET 5") == "5\n"
    assert curl(sql, "/?param_n=7", "-d", "SELECT {n:UInt8} * 2") == "14\n"
    assert curl(sql, "/?user=default&password=&database=system", "-d", "SELECT dummy FROM one") == "0\n"
    assert curl(sql, "/", "-u", "default:", "-d", "SELECT 1 FORMAT CSV") == "1\n"
    assert curl(sql, "/", "-d", "SELECT 1 AS a FORMAT JSONEachRow") == '{"a":1}\n'
    assert "HTTP/1.1 200" in curl(sql, "/?query=SELECT%201", "-I")
    assert "Code: 62. DB::Exception: Empty query" in curl(sql, "/", "-d", "")
    assert "There is no handle /nowhere" in curl(sql, "/nowhere")


def test_headers_say_what_the_answer_is(sql):
    """The head of a response is ClickHouse's."""
    reply = sql.ask("SELECT id FROM words", query_id="my-query", default_format="CSVWithNames")
    headers = reply.headers
    assert headers["content-type"] == "text/csv; charset=UTF-8; header=present"
    assert headers["x-clickhouse-format"] == "CSVWithNames"
    assert headers["x-clickhouse-query-id"] == "my-query"
    assert headers["x-clickhouse-timezone"] == sql.text("SELECT timezone()").strip()
    assert headers["x-clickhouse-server-display-name"]
    summary = json.loads(headers["x-clickhouse-summary"])
    assert all(isinstance(value, str) for value in summary.values())
    assert summary["read_rows"] == summary["result_rows"] == "1000"
    assert int(summary["read_bytes"]) >= 8000
    assert int(summary["elapsed_ns"]) > 0
    plain = sql.ask("SELECT id FROM words", enable_http_compression="0")
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert sql.ask("SELECT 1", session_timezone="Asia/Tokyo").headers["x-clickhouse-timezone"] == "Asia/Tokyo"
    assert sql.ask("SELECT 1", query_id="a\r\nb: c\x00").headers["x-clickhouse-query-id"] == "a??b:?c?"
    assert sql.ask("SELECT 1").headers["x-clickhouse-query-id"] != sql.ask("SELECT 1").headers["x-clickhouse-query-id"]


@pytest.mark.parametrize(
    ("statement", "status", "code", "said"),
    [
        ("SELEC 1", 400, 62, "Syntax error: failed at position 1 (SELEC)"),
        ("SELECT 'a' + 1 FROM numbers(1)", 400, 43, "Illegal types"),
        ("SELECT toUInt8('x')", 400, 6, "Cannot parse"),
        ("SELECT * FROM nothing", 404, 60, "Unknown table expression identifier 'nothing'"),
        ("SELECT * FROM nowhere.nothing", 404, 81, "nowhere"),
        ("SELECT nothing FROM words", 404, 47, "nothing"),
        ("SELECT no_such(1)", 404, 46, "no_such"),
        ("SELECT 1 FORMAT Nothing", 404, 73, "Unknown format Nothing"),
        ("SELECT throwIf(1, 'ouch')", 500, 395, "ouch"),
        ("SELECT {a:UInt8}", 400, 456, "a"),
        ("DROP TABLE words", 500, 164, "Cannot execute query in readonly mode"),
        (BUSY, 408, 159, "Timeout exceeded"),
        ("SELECT length(groupArray(number)) FROM numbers(100000000)", 500, 241, "emory limit"),
        (
            "SELECT repeat(toString(number), 20) FROM numbers(1000000) FORMAT JSON",
            500,
            396,
            "Limit for result exceeded",
        ),
        ("SELECT repeat('x', 1000) FROM numbers(20000) FORMAT JSON", 500, 396, "Limit for result exceeded"),
    ],
)
def test_errors_are_clickhouses_own(sql, statement: str, status: int, code: int, said: str):
    """Code, text and HTTP status are ClickHouse's."""
    reply = sql.ask(statement)
    assert reply.headers["x-clickhouse-exception-code"] == str(code), reply.text
    assert reply.text.startswith(f"Code: {code}. DB::Exception: ")
    assert reply.text.count("DB::Exception") == 1
    assert said in reply.text
    assert reply.text.endswith("(official build))\n")
    assert "parseQueryToJSON" not in reply.text
    expected = 500 if code in {43, 456} else status
    assert reply.status_code == expected


def test_a_gzip_body_is_read(sql):
    """Content-Encoding: gzip; unknown encodings and broken bodies get an error, and so does a bomb."""

    def post(body: bytes, encoding: str) -> httpx.Response:
        return sql.http.post("/", content=body, headers={"content-encoding": encoding})

    assert post(gzip.compress(b"SELECT 1"), "gzip").text == "1\n"
    assert post(b"SELECT 1", "snappy").status_code == 501
    assert post(b"SELECT 1", "gzip").status_code == 400
    assert post(gzip.compress(b"SELECT 1")[:-4], "gzip").status_code == 400
    assert post(gzip.compress(b" " * (64 << 20)), "gzip").status_code == 413
    assert post(b"SELECT '\xff'", "identity").status_code == 400


def test_the_answer_is_compressed_when_asked(sql):
    """By Accept-Encoding, unless enable_http_compression=0: the engine's own default is 1."""
    assert sql.text("SELECT value FROM system.settings WHERE name = 'enable_http_compression'") == "1\n"
    plain = sql.ask("SELECT * FROM words", enable_http_compression="0")
    assert "content-encoding" not in plain.headers
    gzipped = {"accept-encoding": "gzip, deflate, br"}
    packed = sql.http.post("/", content="SELECT * FROM words", headers=gzipped)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    long = sql.http.post("/", content="SELECT number FROM numbers(1000000)", headers=gzipped)
    assert long.headers["content-encoding"] == "gzip"
    assert long.text.endswith("\n999999\n")


def test_ways_to_say_the_format(sql):
    """FORMAT in the statement wins over the header, the header over default_format."""

    def kind(statement: str, header: str = "", **settings: str) -> str:
        headers = {"x-clickhouse-format": header} if header else {}
        return sql.http.post("/", params=settings, content=statement, headers=headers).headers["x-clickhouse-format"]

    assert kind("SELECT 1") == "TabSeparated"
    assert kind("SELECT 1", default_format="json") == "JSON"
    assert kind("SELECT 1", "CSV", default_format="JSON") == "CSV"
    assert kind("SELECT 1 FORMAT XML", "CSV") == "XML"
    assert kind("SHOW TABLES FORMAT CSV") == "CSV"
    assert kind("DESCRIBE words FORMAT JSONEachRow SETTINGS describe_compact_output = 1") == "JSONEachRow"


def test_every_output_format_answers_or_says_why_not(sql):
    """No format breaks the server; those that are streamed say the same as those that are not."""
    names = sql.text("SELECT name FROM system.formats WHERE is_output").split()
    assert len(names) > 60
    for name in names:
        reply = sql.ask(f"SELECT toInt32(number) AS n FROM numbers(70000) FORMAT {name}")
        assert reply.status_code == 200 or reply.text.startswith("Code: "), name
        if reply.status_code == 200 and "EachRow" in name and "Progress" not in name and name[:4] == "JSON":
            assert reply.text.count("\n") in {70000, 70001, 70002}, name


def test_totals_and_extremes_come_after_the_rows(sql):
    """A result with a foot is not cut into blocks."""
    totals = sql.text("SELECT id % 2 AS k, count() FROM words GROUP BY k WITH TOTALS ORDER BY k FORMAT TSV")
    assert totals == "0\t500\n1\t500\n\n0\t1000\n"
    assert sql.text("SELECT id FROM words WHERE id < 2 ORDER BY id", extremes="1") == "0\n1\n\n0\n1\n"


def test_parameters_are_texts_not_sql(sql):
    """A parameter's value never becomes part of the statement."""
    assert sql.text("SELECT {a:String}", param_a="x' , file('/etc/passwd') --") == "x\\' , file(\\'/etc/passwd\\') --\n"
    assert sql.text("SELECT {a:String}", param_a="a\\tb") == "a\\tb\n"
    assert sql.text("SELECT {a:Array(String)}[2]", param_a="['x', 'y']") == "y\n"
    assert sql.text("SELECT isNull({a:Nullable(String)})", param_a="\\N") == "1\n"


def test_parameters_in_a_form(sql):
    """Statement and parameters may come as multipart/form-data; files (external tables) are refused."""
    fields = {"query": (None, "SELECT {a:String}"), "param_a": (None, "é" * 3)}
    assert sql.http.post("/", files=fields).text == "ééé\n"
    files = {"query": (None, "SELECT * FROM t"), "t": ("t.csv", b"1")}
    assert sql.http.post("/", files=files).status_code == 501


def test_a_long_result_is_streamed(sql):
    """Rows arrive before the statement has ended, and memory stays bounded."""
    with sql.http.stream("POST", "/", content=LONG) as reply:
        assert reply.headers["transfer-encoding"] == "chunked"
        assert json.loads(reply.headers["x-clickhouse-summary"])["result_rows"] != "0"
        assert next(reply.iter_bytes()).startswith(b"0\txxx")


def test_a_failure_half_way_cuts_the_answer(sql):
    """Rows, then ClickHouse's exception block, then a broken connection: no half result passes for a whole."""
    received = b""
    statement = "SELECT number, throwIf(number = 900000, 'half way') FROM numbers(1000000)"
    with (  # noqa: PT012 - the pieces before the break are the point
        pytest.raises(httpx.RemoteProtocolError),
        sql.http.stream("POST", "/", content=statement, headers={"accept-encoding": "identity"}) as reply,
    ):
        assert reply.status_code == 200
        for piece in reply.iter_raw():
            received += piece
    tag = reply.headers["x-clickhouse-exception-tag"].encode()
    assert len(tag) == 16
    _, found, rest = received.partition(b"\r\n__exception__\r\n" + tag + b"\r\nCode: 395. DB::Exception: half way")
    assert found
    assert rest.endswith(b" " + tag + b"\r\n__exception__\r\n")


def test_a_client_that_would_rather_wait_gets_the_status(sql):
    """With wait_end_of_query=1 the same failure is a plain error."""
    statement = "SELECT number, throwIf(number = 900000, 'half way') FROM numbers(1000000)"
    reply = sql.ask(statement, wait_end_of_query="1")
    assert reply.status_code == 500
    assert reply.headers["x-clickhouse-exception-code"] == "395"


def quiet(sql) -> bool:
    """Wait until the engine runs nothing."""
    deadline = time.monotonic() + 3  # less than the statements' own time limit
    while time.monotonic() < deadline:
        if not sql.probe()["running"]:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("statement", [BUSY, BUSY + " FORMAT JSON", LONG, SLEEPY])
def test_a_client_that_hangs_up_ends_its_statement(sql, statement: str):
    """Nobody computes for the departed."""
    with socket.create_connection(("127.0.0.1", sql.port)) as connection:
        body = statement.encode()
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        deadline = time.monotonic() + 20
        while not sql.probe()["running"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert quiet(sql)


def test_nothing_leaks(sql):
    """A hundred statements, good, bad and abandoned, leave no connection behind."""
    sql.text("SELECT 1")
    assert quiet(sql)
    before = sql.probe()["files"]
    for _ in range(50):
        sql.text("SELECT 1")
        sql.ask("SELECT nothing")
    for _ in range(20):
        with sql.http.stream("POST", "/", content=LONG) as reply:
            next(reply.iter_bytes())
    assert quiet(sql)
    assert abs(int(sql.probe()["files"]) - int(before)) <= 20


def test_many_at_once(sql):
    """More statements than slots: all are answered, and a health check does not wait behind them."""
    with ThreadPoolExecutor(24) as pool:
        slow = [pool.submit(sql.text, "SELECT sleep(0.5), 1") for _ in range(24)]
        time.sleep(0.2)
        started = time.monotonic()
        assert sql.http.get("/ping").text == "Ok.\n"
        assert time.monotonic() - started < 0.4
        assert {future.result() for future in slow} == {"0\t1\n"}


def test_a_foreign_name_is_refused_without_keys(sql):
    """A web page whose own name resolves to 127.0.0.1 (DNS rebinding) reads nothing."""

    def status(host: str) -> int:
        return sql.http.post("/", content="SELECT 1", headers={"host": host}).status_code

    assert status("evil.example:8123") == 403
    assert status("localhost:8123") == 200
    assert status("[::1]:8123") == 200


@pytest.mark.parametrize(("site", "expected"), [("cross-site", 403), ("same-origin", 200), ("none", 200)])
def test_web_pages_of_others(sql, locked_sql, site: str, expected: int):
    """Without keys they are refused, as they could time what they cannot read; no answer runs as a script."""
    headers = {"sec-fetch-site": site}
    reply = sql.http.get("/", params={"query": "SELECT 'alert(1)' FORMAT TSVRaw"}, headers=headers)
    assert reply.status_code == expected
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert locked_sql.http.get("/?query=SELECT+1", headers=headers, auth=("", "s3cret")).status_code == 200


def test_keys(locked_sql):
    """With an `authenticate`, every way to send a key counts, and none other passes."""

    def status(**how: object) -> int:
        return locked_sql.http.post("/", content="SELECT 1", **how).status_code

    assert status() == 401
    assert status(auth=("reader", "wrong")) == 401
    assert status(auth=("reader", "s3cret")) == 200
    assert status(headers={"x-clickhouse-user": "reader", "x-clickhouse-key": "s3cret"}) == 200
    assert status(params={"user": "reader", "password": "s3cret"}) == 200
    assert status(headers={"authorization": "Bearer s3cret"}) == 200
    assert status(headers={"x-api-key": "s3cret"}) == 200
    assert status(headers={"authorization": "Basic ???"}) == 401
    assert status(auth=("reader", "s3cret"), headers={"host": "collector:8123"}) == 200
    assert locked_sql.http.get("/ping").status_code == 200
    missing = locked_sql.http.post("/", content="SELECT 1")
    assert missing.headers["x-clickhouse-exception-code"] == "194"
    assert missing.headers["www-authenticate"].startswith("Basic")


def test_methods(sql):
    """GET, HEAD and POST; nothing else."""
    assert sql.http.head("/", params={"query": "SELECT 1"}).headers["x-clickhouse-format"] == "TabSeparated"
    assert sql.http.head("/", params={"query": LONG}).status_code == 200
    assert sql.http.get("/", params={"query": "DROP TABLE words"}).status_code == 500
    assert sql.http.put("/", content="SELECT 1").status_code == 405
    assert sql.http.delete("/").status_code == 405
