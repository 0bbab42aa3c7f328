"""The real clickhouse-connect as a user has it, over a real socket."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

UTC = dt.UTC


@pytest.fixture
def client(sql) -> Iterator[Any]:
    """A client with its defaults."""
    with clickhouse_connect.get_client(host="127.0.0.1", port=sql.port) as client:
        yield client


def test_it_connects_and_speaks_the_newer_protocol(client, sql):
    """The handshake finds blocks with info, as from a server."""
    assert client.protocol_version == 54405
    assert client.server_version == sql.text("SELECT version()").strip()
    assert client.ping()
    assert client.min_version("24")


def test_rows(client):
    """query, named parameters, row order."""
    result = client.query("SELECT * FROM words WHERE id < {n:UInt8} ORDER BY id", parameters={"n": 2})
    assert result.result_rows == [(0, "word0", "noun"), (1, "word1", "verb")]
    assert result.column_names == ("id", "word", "kind")
    assert [kind.name for kind in result.column_types] == ["UInt64", "String", "LowCardinality(String)"]
    assert result.summary["read_rows"] == "1000"
    assert result.query_id
    assert client.query("SELECT %(a)s, %(b)s", parameters={"a": 1, "b": "x'y"}).result_rows == [(1, "x'y")]


TYPES = [
    (
        "toDateTime64('2024-02-03 04:05:06.123456', 9, 'UTC')",
        "DateTime64(9, 'UTC')",
        dt.datetime(2024, 2, 3, 4, 5, 6, 123456, tzinfo=UTC).replace(tzinfo=None),
    ),
    (
        "toDateTime('2024-02-03 04:05:06', 'UTC')",
        None,
        dt.datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC).replace(tzinfo=None),
    ),
    ("map('a', 'b', 'c', 'd')", "Map(String, String)", {"a": "b", "c": "d"}),
    ("map(toLowCardinality('a'), [1, 2])", "Map(LowCardinality(String), Array(UInt8))", {"a": [1, 2]}),
    ("[(1, 'x'), (2, 'y')]", "Array(Tuple(UInt8, String))", [(1, "x"), (2, "y")]),
    ("CAST([(1, 'x')], 'Array(Tuple(a UInt8, `b c` LowCardinality(String)))')", None, [{"a": 1, "b c": "x"}]),
    ("toLowCardinality('x')", "LowCardinality(String)", "x"),
    ("CAST(NULL, 'LowCardinality(Nullable(String))')", "LowCardinality(Nullable(String))", None),
    ("[toLowCardinality('x'), toLowCardinality('')]", "Array(LowCardinality(String))", ["x", ""]),
    ("CAST([], 'Array(LowCardinality(String))')", "Array(LowCardinality(String))", []),
    ("CAST(NULL, 'Nullable(Int64)')", "Nullable(Int64)", None),
    ("CAST('b', 'Enum8(\\'a\\' = 1, \\'b\\' = 2)')", "Enum8('a' = 1, 'b' = 2)", "b"),
    ("toDecimal64(1.25, 4)", "Decimal(18, 4)", decimal.Decimal("1.2500")),
    ("toDecimal256('1.5', 2)", "Decimal(76, 2)", decimal.Decimal("1.50")),
    ("toUUID('01234567-89ab-cdef-0123-456789abcdef')", "UUID", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
    ("toIPv4('1.2.3.4')", "IPv4", ipaddress.IPv4Address("1.2.3.4")),
    ("toIPv6('::1')", "IPv6", ipaddress.IPv6Address("::1")),
    ("toFixedString('abc', 5)", "FixedString(5)", b"abc\0\0"),
    ("toInt128('-170141183460469231731687303715884105728')", "Int128", -(2**127)),
    ("toUInt256('1')", "UInt256", 1),
    ("toDate('2024-02-03')", "Date", dt.date(2024, 2, 3)),
    ("toDate32('1950-02-03')", "Date32", dt.date(1950, 2, 3)),
    ("true", "Bool", True),
    ("1.5::Float64", "Float64", 1.5),
    ("repeat('x', 300)", "String", "x" * 300),
    ("''", "String", ""),
    ("tuple(1, [[1], []], NULL)", "Tuple(UInt8, Array(Array(UInt8)), Nullable(Nothing))", (1, [[1], []], None)),
]


@pytest.mark.parametrize(("expression", "kind", "value"), TYPES, ids=[expression[:40] for expression, *_ in TYPES])
def test_types(client, expression: str, kind: str | None, value: Any):
    """Every type arrives as what it is, in one row and in many."""
    result = client.query(f"SELECT {expression} AS value")
    assert result.result_rows == [(value,)]
    if kind:
        assert result.column_types[0].name == kind
    many = client.query(f"SELECT materialize({expression}) AS value, number FROM numbers(3)")
    assert many.result_rows == [(value, number) for number in range(3)]


def test_frames(client):
    """Pandas, Arrow and NumPy."""
    frame = client.query_df("SELECT id, kind FROM words ORDER BY id LIMIT 3")
    assert frame["id"].tolist() == [0, 1, 2]
    assert frame["kind"].tolist() == ["noun", "verb", "noun"]
    table = client.query_arrow("SELECT id, word FROM words ORDER BY id LIMIT 2")
    assert table.to_pydict() == {"id": [0, 1], "word": ["word0", "word1"]}
    assert client.query_np("SELECT id FROM words ORDER BY id LIMIT 3").tolist() == [[0], [1], [2]]


def test_streams(client):
    """Rows, blocks and Arrow batches of a result that does not fit into one block."""
    many = "SELECT number, toString(number) AS text FROM numbers(300000)"
    with client.query_rows_stream(many) as rows:
        assert sum(row[0] for row in rows) == 300000 * 299999 // 2
    with client.query_column_block_stream(many) as blocks:
        assert sum(len(block[0]) for block in blocks) == 300000
    with client.query_df_stream(many) as frames:
        assert sum(len(frame) for frame in frames) == 300000
    with client.query_arrow_stream(many) as batches:
        assert sum(batch.num_rows for batch in batches) == 300000
    with client.raw_stream(many, fmt="CSV") as raw:
        assert raw.read().count(b"\n") == 300000
    assert len(client.query(many).result_rows) == 300000


def test_a_stream_may_be_left_early(client):
    """The client goes on with the same connection pool."""
    with client.query_rows_stream("SELECT number FROM numbers(10000000)") as rows:
        assert next(iter(rows)) == (0,)
    assert client.command("SELECT 1") == 1


def test_commands(client):
    """Scalars, texts and rows of text."""
    assert client.command("SELECT count() FROM words") == 1000
    assert client.command("SELECT 'a', 'b'") == ["a", "b"]
    assert client.command("SHOW TABLES") == "nouns\nodd/name\nwords"
    assert client.command("SELECT {x:String}", parameters={"x": "it's\ta \\ text"}) == "it\\'s\\ta \\\\ text"
    assert client.command("EXISTS TABLE words") == 1
    assert client.query("DESCRIBE TABLE words").result_rows[1][:2] == ("word", "String")
    assert client.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'


def test_an_empty_result_has_its_columns(client):
    """LIMIT 0 is asked as JSON metadata."""
    empty = client.query("SELECT id, kind FROM words LIMIT 0")
    assert empty.result_rows == []
    assert empty.column_names == ("id", "kind")
    assert client.query("SELECT id FROM words WHERE id > 5000").result_rows == []


def test_long_parameters_travel_in_a_form(client):
    """What does not fit into a URL still arrives."""
    names = [f"word{number}" for number in range(1000)]
    found = client.query("SELECT count() FROM words WHERE word IN {names:Array(String)}", parameters={"names": names})
    assert found.result_rows == [(1000,)]
    when = dt.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert client.query("SELECT {w:DateTime64(6, 'UTC')}", parameters={"w": when}).result_rows == [
        (when.replace(tzinfo=None),)
    ]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELEC 1", 62),
        ("SELECT * FROM nothing", 60),
        ("SELECT nothing", 47),
        ("SELECT 1; SELECT 2", 62),
        ("DROP TABLE words", 164),
    ],
)
def test_errors_carry_clickhouses_code(client, statement: str, code: int):
    """DatabaseError with the code and the text."""
    for ask in (client.command, client.query):
        with pytest.raises(DatabaseError) as caught:
            ask(statement)
        assert caught.value.code == code
        assert f"Code: {code}" in str(caught.value)


def test_inserting_is_refused(sql):
    """All ways to write end in an error."""
    with clickhouse_connect.get_client(host="127.0.0.1", port=sql.port, compress=False) as client:
        with pytest.raises(DatabaseError, match="READONLY"):
            client.insert("words", [[5000, "a", "b"]], column_names=["id", "word", "kind"])
        with pytest.raises(DatabaseError, match="READONLY"):
            client.raw_insert("words", ["id"], b"1\n", fmt="CSV")
        assert client.command("SELECT count() FROM words") == 1000
    with clickhouse_connect.get_client(host="127.0.0.1", port=sql.port) as client, pytest.raises(DatabaseError):
        client.insert("words", [[5000, "a", "b"]], column_names=["id", "word", "kind"])


def test_a_stream_that_fails_half_way_says_why(client):
    """The exception block is recognised."""
    statement = "SELECT number, throwIf(number = 1500000, 'half way') FROM numbers(2000000)"
    with (
        pytest.raises((StreamFailureError, OperationalError), match="half way"),
        client.query_rows_stream(statement) as rows,
    ):
        for _ in rows:
            pass


def test_settings(sql):
    """Those a reader may send work; a user's own default settings, too."""
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=sql.port, database="otel", settings={"session_id": "mine"}, compress=True
    ) as client:
        assert client.database == "otel"
        clickhouse_connect.common.set_setting("invalid_setting_action", "send")
        try:
            settings = {"max_result_rows": 10, "additional_table_filters": {"otel.words": "kind = 'noun'"}}
            assert client.query("SELECT count() FROM otel.words", settings=settings).result_rows == [(500,)]
        finally:
            clickhouse_connect.common.set_setting("invalid_setting_action", "error")


def test_a_session(client):
    """SET and USE last as long as the client, which names a session of its own."""
    assert client.command("SET session_timezone = 'Asia/Tokyo'") is not None
    client.command("USE system")
    assert client.query("SELECT timezone(), currentDatabase()").result_rows == [("Asia/Tokyo", "system")]


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", "deflate", False])
def test_compressions(sql, compress: str | bool):
    """Whichever it asks for; `br` is answered as it is."""
    with clickhouse_connect.get_client(host="127.0.0.1", port=sql.port, compress=compress) as client:
        assert client.query("SELECT sum(number) FROM numbers(1000)").result_rows == [(499500,)]
        assert len(client.query("SELECT number FROM numbers(200000)").result_rows) == 200000


def test_more_streams(client):
    """NumPy blocks, pandas over Arrow, and rows of an empty result."""
    many = "SELECT number, number * 2 AS twice FROM numbers(200000)"
    with client.query_np_stream(many) as blocks:
        assert sum(len(block) for block in blocks) == 200000
    with client.query_df_arrow_stream(many) as frames:
        assert sum(len(frame) for frame in frames) == 200000
    assert client.query_arrow("SELECT 1 AS a WHERE 0").column_names == ["a"]
    with client.query_rows_stream("SELECT 1 WHERE 0") as rows:
        assert list(rows) == []


def test_external_data_is_refused(client):
    """It would be a table for the length of a statement: an error says that there are none."""
    data = ExternalData(file_name="t.csv", data=b"1\n", fmt="CSV", types=["a UInt8"])
    with pytest.raises(DatabaseError, match="External tables are not taken here"):
        client.query("SELECT * FROM t", external_data=data)


async def test_the_async_client(sql):
    """Also without threads."""
    pytest.importorskip("aiohttp")
    client = await clickhouse_connect.get_async_client(host="127.0.0.1", port=sql.port)
    try:
        assert (await client.query("SELECT count() FROM words")).result_rows == [(1000,)]
    finally:
        await client.close()


def test_keys(locked_sql):
    """User and password reach the doorman."""
    address = {"host": "127.0.0.1", "port": locked_sql.port}
    with clickhouse_connect.get_client(**address, username="reader", password="s3cret") as client:  # noqa: S106
        assert client.command("SELECT 1") == 1
    with pytest.raises(DatabaseError) as caught:
        clickhouse_connect.get_client(**address, username="reader", password="wrong")  # noqa: S106
    assert caught.value.code == 516
