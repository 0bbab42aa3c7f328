"""Native blocks in the protocol of newer clients, as clickhouse-go (Grafana) reads them."""

from __future__ import annotations

import pytest
from clickhouse_wire import decoded
from hypothesis import given
from hypothesis import strategies as st

from collector.query.clickhouse_http import native
from collector.query.clickhouse_http.query_error import QueryError

GO = "54460"  # what clickhouse-go 2.47 sends as client_protocol_version


EXPRESSIONS = """
number
toInt8(number)
toString(number)
repeat('y', number)
toFixedString(toString(number), 4)
number % 2 = 0
CAST(number, 'Nullable(UInt32)')
if(number % 2, toString(number), NULL)
toLowCardinality(toString(number % 3))
CAST(if(number % 2, toString(number), NULL), 'LowCardinality(Nullable(String))')
range(number % 5)
arrayMap(x -> range(x), range(number % 4))
arrayMap(x -> toLowCardinality(toString(x)), range(number % 3))
map('a', toString(number), 'b', '')
map(toLowCardinality('a'), toLowCardinality(toString(number)))
mapFromArrays(range(number % 3), range(number % 3))
tuple(number, toString(number), [number])
CAST(tuple(number, 'x'), 'Tuple(a UInt64, `b, (c` String)')
CAST([tuple(number, 'x', 1)], 'Array(Tuple(a Int64, `b c` LowCardinality(String), d Enum8(\\'a) (b\\' = 1)))')
[tuple(number, ['a', toString(number)])]
toDateTime64(number, 9, 'UTC')
toDateTime(number, 'Europe/Berlin')
toDate(number)
toDate32(number)
toUUID('01234567-89ab-cdef-0123-456789abcdef')
toIPv4('1.2.3.4')
toIPv6('::1')
toDecimal32(number, 2)
toDecimal64(number, 2)
toDecimal128(number, 2)
toDecimal256(number, 2)
toInt256(number)
toFloat32(number)
INTERVAL number HOUR
CAST('a', 'Enum16(\\'a\\' = 1000, \\'it\\\\\\'s\\' = 2)')
CAST([(1.5, 2.5)], 'Ring')
CAST([[(1.5, 2.5)]], 'Polygon')
CAST(number, 'SimpleAggregateFunction(sum, UInt64)')
CAST('{"a": 1}', 'JSON')
NULL
[]
emptyArrayString()
CAST(NULL, 'LowCardinality(Nullable(String))')
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_type_is_measured_right(sql, expression: str):
    """A column between two known ones: if it is measured wrong, the last one does not decode."""
    statement = f"SELECT 'first' AS a, {expression} AS b, number * 3 AS c FROM numbers(700)"
    settings = {"default_format": "Native", "max_block_size": "300"}
    reply = sql.ask(statement, client_protocol_version=GO, **settings)
    assert reply.status_code == 200, reply.text
    plain = sql.ask(statement, **settings, output_format_native_write_json_as_string="1").content
    blocks = len(plain.split(b"\x01a\x06String")) - 1
    assert len(reply.content) == len(plain) + blocks * (8 + 3)
    position = 0
    for _ in range(blocks):
        position = native._block(plain, position, 54460, [])
    assert position == len(plain)


DECODED = [
    each for each in EXPRESSIONS if "'JSON'" not in each
]  # as text: clickhouse-go reads it, this decoder does not


@pytest.mark.parametrize("expression", DECODED)
def test_the_blocks_decode(sql, expression: str):
    """What Grafana's driver would read is what the rows are."""
    statement = f"SELECT 'first' AS a, {expression} AS b, number * 3 AS c FROM numbers(700)"
    reply = sql.ask(statement, client_protocol_version=GO, default_format="Native")
    rows = [row for block in decoded(reply.content) for row in zip(*block.values(), strict=True)]
    assert [row[2] for row in rows] == [number * 3 for number in range(700)]
    assert {row[0] for row in rows} == {"first"}


def test_grafanas_handshake(sql):
    """The two statements of Save & test, and settings its driver sends with each."""
    usual = {
        "client_protocol_version": GO,
        "default_format": "Native",
        "max_execution_time": "65",
        "database": "default",
        "quota_key": "",
        "limit": "1000",
    }
    hello = sql.ask("SELECT displayName(), version(), revision(), timezone()", **usual)
    assert hello.headers["x-clickhouse-format"] == "Native"
    [block] = decoded(hello.content)
    assert list(block) == ["displayName()", "version()", "revision()", "timezone()"]
    assert block["revision()"][0] >= 54460
    [block] = decoded(sql.ask("SELECT 1", **usual).content)
    assert block == {"1": [1]}
    empty = sql.ask("SELECT * FROM words WHERE 0", **usual)
    assert empty.headers["content-length"] == "0"


@pytest.mark.parametrize(
    "statement",
    [
        "SHOW DATABASES",
        'SHOW TABLES FROM "otel"',
        'DESC TABLE "otel"."words"',
        "SELECT name, type, table FROM system.columns WHERE database = 'otel'",
        "SELECT name FROM system.functions LIMIT 10000",
        'SELECT DISTINCT "kind" FROM "otel"."words" LIMIT 1000',
        "SELECT DISTINCT arrayJoin(mapKeys(map('a', 1))) LIMIT 1000",
        "SELECT toStartOfInterval(toDateTime(1), INTERVAL 20 SECOND) AS time, count() FROM otel.words GROUP BY time",
        "SELECT count() FROM otel.words settings additional_table_filters={'otel.words' : 'kind = \\'noun\\''}",
        "SELECT count() FROM otel.words settings additional_table_filters={}",
    ],
)
def test_what_grafanas_editor_asks(sql, statement: str):
    """Each answers in blocks its driver reads."""
    reply = sql.ask(statement, client_protocol_version=GO, default_format="Native")
    assert reply.status_code == 200, reply.text
    assert decoded(reply.content)


def test_types_nobody_can_measure_are_named(sql):
    """An aggregate state cannot be sent in the newer protocol; the error says what to do."""
    reply = sql.ask("SELECT sumState(1)", client_protocol_version=GO, default_format="Native")
    assert reply.status_code == 501
    assert "AggregateFunction(sum, UInt8)" in reply.text
    assert "toString()" in reply.text


def test_older_clients_get_what_the_engine_writes(sql):
    """Without a version nothing is added; below 54454 only the block's info."""
    plain = sql.ask("SELECT number FROM numbers(3)", default_format="Native").content
    older = sql.ask("SELECT number FROM numbers(3)", default_format="Native", client_protocol_version="54405").content
    assert older == b"\x01\x00\x02\xff\xff\xff\xff\x00" + plain


@given(st.text(), st.integers(0, 3))
def test_no_type_name_breaks_the_parser(kind: str, depth: int):
    """Any text is a type or is refused."""
    for _ in range(depth):
        kind = f"Array({kind})"
    try:
        skip, prefix = native.column(kind)
    except (QueryError, ValueError, StopIteration):
        return
    assert callable(skip)
    assert prefix >= 0
