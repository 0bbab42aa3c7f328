"""Whatever the URL and the headers say: an answer or an error of ClickHouse's, soon, and the server lives on."""

from __future__ import annotations

import socket
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = [
    *("query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "compress"),
    *("close_session", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version", "user", "password"),
    *("max_execution_time", "max_memory_usage", "max_result_rows", "max_block_size", "limit", "offset", "extremes"),
    *("enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "readonly"),
    *("additional_table_filters", "session_timezone", "output_format_json_quote_64bit_integers", "join_use_nulls"),
    *("output_format_native_encode_types_in_binary_format", "output_format_csv_crlf_end_of_line", "role", "quota_key"),
    *("output_format_native_write_json_as_string", "output_format_parquet_row_group_size", "format_csv_delimiter"),
    *("output_format_pretty_max_rows", "output_format_arrow_compression_method", "max_rows_to_read", "final"),
    *("param_a", "param_", "param_a.b", "", "\0", "a=b&"),
]
VALUES = st.one_of(
    st.sampled_from(["", "0", "1", "true", "-1", "1.5", "1e9", "nan", "9" * 30, "otel", "'", "\\", "\0", "\r\nX: y"]),
    st.sampled_from(["JSON", "Native", "CSVWithNames", "RowBinaryWithNamesAndTypes", "ArrowStream", "Parquet", "Null"]),
    st.sampled_from(["{'otel.words': '1'}", "{", "{'a': 1}", "\\N", "Asia/Tokyo", "54460", "54454", "zstd", "lz4"]),
    st.text(max_size=12),
)
BYTES = st.one_of(VALUES.map(str.encode), st.binary(max_size=12))
STATEMENTS = st.one_of(
    st.sampled_from(
        [
            *("SELECT 1", "SELECT {a:String}", "SELECT id, word, kind FROM words LIMIT 5", "SELECT 1 WHERE 0", ""),
            *("SELECT toLowCardinality('x'), [1], map('a', NULL), (1, 'x'), now64(), 1.5", "SHOW TABLES", "SET x = 1"),
            *("SELECT number FROM numbers(100000)", "USE otel", "EXPLAIN SELECT 1", "SELECT '{\"a\": 1}'::JSON AS j"),
            *("SELECT 1::Variant(String, UInt8) AS v, 2::Dynamic AS d", "SELECT 1 FORMAT JSON SETTINGS limit = 1"),
        ]
    ).map(str.encode),
    st.binary(max_size=40),
)
HEADERS = [
    *("Content-Encoding", "Accept-Encoding", "X-ClickHouse-Format", "X-ClickHouse-Database", "X-ClickHouse-Query-Id"),
    *("X-ClickHouse-User", "X-ClickHouse-Key", "Authorization", "Content-Type", "X-ClickHouse-Quota", "Origin"),
    *("X-ClickHouse-SSL-Certificate-Auth", "traceparent", "Referer", "Cookie", "X-API-Key", "Range", "If-None-Match"),
]
HEADER_VALUES = st.one_of(
    st.sampled_from([b"gzip", b"zstd", b"lz4", b"xz", b"bz2", b"deflate", b"br", b"identity", b"gzip;q=0", b",", b""]),
    st.sampled_from([b"Basic", b"Basic !!", b"Basic Og==", b"Basic /w==", b"Bearer", b"Bearer x", b"on", b"default"]),
    st.sampled_from([b"multipart/form-data", b"multipart/form-data; boundary=x", b"text/plain", b"JSON", b"otel"]),
    st.binary(max_size=20).map(lambda data: bytes(byte for byte in data if byte >= 0x20 and byte != 0x7F)),
)


def status(port: int, request: bytes) -> tuple[int, bytes]:
    """Send raw bytes, and return the status and everything that came."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:  # a hang is a failure
        connection.sendall(request)
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
    assert received, "closed without a word"
    return int(received.split(b" ", 2)[1]), received


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from([b"POST", b"POST", b"GET", b"HEAD"]),
    parameters=st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode), BYTES), max_size=5),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS).map(str.encode), HEADER_VALUES), max_size=3),
    body=STATEMENTS,
)
def test_never_a_fault_of_ours(
    sql, method: bytes, parameters: list[tuple[bytes, bytes]], headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """A status with a code of ClickHouse's; 500 only where ClickHouse says so, with the code that says why."""
    query = "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in parameters).encode()
    lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    head = b"%b /?%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%b" % (method, query, lines)
    code, received = status(sql.port, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer, _, said = received.partition(b"\r\n\r\n")
    assert b"Traceback" not in said
    assert b"Internal Server Error" not in said
    if code != 200:
        assert b"\r\nx-clickhouse-exception-code: " in answer.lower() or b"Invalid HTTP request" in said, received
        assert b"exception-code: 1002" not in answer.lower(), received  # UNKNOWN_EXCEPTION: nobody foresaw it
    assert sql.http.get("/ping").text == "Ok.\n"


@pytest.fixture(scope="module")
def engine(sql) -> tuple[list[str], list[str]]:
    """The formats there are, and the settings that shape them."""
    named = "SELECT name FROM system.settings WHERE name LIKE 'output_format%' OR name IN ('extremes', 'limit')"
    return sql.text("SELECT name FROM system.formats WHERE is_output").split(), sql.text(named).split()


SHAPES = [
    "SELECT number, toString(number) AS s, toLowCardinality('x') AS l, map('a', [1]) AS m, NULL AS n FROM numbers({})",
    "SELECT id % 2 AS k, count() FROM words WHERE id < {} GROUP BY k WITH TOTALS",
    "SELECT toUUID('01234567-89ab-cdef-0123-456789abcdef') AS u, now64() AS t, 1.5 AS f FROM numbers({})",
    "DESCRIBE words",
]
SETTINGS = ["0", "1", "2", "100", "-1", "true", "", "x", "'", "9" * 20, "a\tb", "lz4", "iso"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_formats_and_settings(sql, engine: tuple[list[str], list[str]], data: st.DataObject) -> None:
    """Any format with any settings of formats, in any transport: what goes wrong has a code of ClickHouse's."""
    formats, names = engine
    transport = {
        "client_protocol_version": data.draw(st.sampled_from(["0", "54405", "54460"])),
        "compress": data.draw(st.sampled_from("01")),
        "send_progress_in_http_headers": data.draw(st.sampled_from("01")),
        "wait_end_of_query": data.draw(st.sampled_from("01")),
    }
    shaping = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(SETTINGS), max_size=2))
    statement = data.draw(st.sampled_from(SHAPES)).format(data.draw(st.sampled_from([0, 3, 70000])))
    reply = sql.ask(statement, default_format=data.draw(st.sampled_from(formats)), **transport, **shaping)
    code = reply.headers.get("x-clickhouse-exception-code")
    assert (code is None) == (reply.status_code == 200)
    assert code not in {"49", "1002"}, reply.text  # LOGICAL_ERROR, UNKNOWN_EXCEPTION
