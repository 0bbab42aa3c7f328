"""Native blocks as a client of a given protocol version expects them.

The embedded engine writes Native for protocol version 0. What newer clients expect in addition:

    version 0      | columns | rows | name | type |           data | name | type |           data …
    above 0        | info | columns | rows | name | type |    data …
    from 54454     | info | columns | rows | name | type | 0 | data …        0: no custom serialization

`info` are eight bytes that say nothing here: the block is neither an overflow nor a bucket. clickhouse-connect speaks
54405, clickhouse-go (Grafana) 54460. To put the 0 before each column's data one has to know where the data ends, so the
data is measured by type. Types whose length only a full decoder can tell are refused by name.

What stays of version 0: a top-level `DateTime('zone')` column says only `DateTime`; the instants are the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Final

from collector.query.clickhouse_http.query_error import QueryError

CUSTOM_SERIALIZATION: Final = 54454  # DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
_BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # field 1: false, field 2: -1, end

_FIXED: Final = {
    "Nothing": 1,
    "Bool": 1,
    "BFloat16": 2,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Enum8": 1,
    "Enum16": 2,
    "Float32": 4,
    "Float64": 8,
} | {f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)}
_SHAPES: Final = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_DECIMAL_BYTES: Final = ((9, 4), (18, 8), (38, 16), (76, 32))
_PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^'`(),]+")

Skip = Callable[[bytes, int, int], int]  # (data, where the column's data starts, rows) -> where it ends


def reframe(block: bytes, rows: int, version: int) -> bytes:
    """Return a block, or several in a row, as protocol `version` has them; `rows` is how many the engine counted."""
    if version <= 0 or not block:
        return block
    if version < CUSTOM_SERIALIZATION and varint(block, varint(block, 0)[1])[0] == rows:
        return _BLOCK_INFO + block  # the usual case: exactly one block
    pieces: list[bytes] = []
    position = 0
    while position < len(block):
        position = _block(block, position, version, pieces)
    return b"".join(pieces)


def _block(data: bytes, start: int, version: int, pieces: list[bytes]) -> int:
    columns, position = varint(data, start)
    rows, position = varint(data, position)
    pieces += (_BLOCK_INFO, data[start:position])
    mark = b"\0" if version >= CUSTOM_SERIALIZATION else b""
    for _ in range(columns):
        start = position
        _, position = _text(data, position)
        kind, position = _text(data, position)
        pieces += (data[start:position], mark)
        start = position
        if rows:
            skip, prefix = column(kind.decode())
            position = skip(data, position + prefix, rows)
        pieces.append(data[start:position])
    return position


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the varint's continuation bit
            return value, position
        shift += 7


def _text(data: bytes, position: int) -> tuple[bytes, int]:
    size, position = varint(data, position)
    return data[position : position + size], position + size


@functools.lru_cache(maxsize=1024)
def column(kind: str) -> tuple[Skip, int]:
    """Return how to measure a column of this type, and how many bytes stand before all of its data.

    Raises:
        QueryError: only a full decoder could.
    """
    name, arguments = _parsed(kind)
    if name in _FIXED or name.startswith("Interval"):
        return _fixed(_FIXED.get(name, 8)), 0
    if name in _SHAPES:
        return column(_SHAPES[name])
    if name not in _MEASURES:
        raise QueryError(
            48, "NOT_IMPLEMENTED", f"Columns of type {kind} cannot be sent in this client's protocol: use toString()."
        )
    return _MEASURES[name](arguments)


def _parsed(kind: str) -> tuple[str, list[str]]:
    """Take `Name(a, b(c, d))` apart into the name and its arguments."""
    name, _, inside = kind.partition("(")
    arguments, depth = [""], 0
    for piece in _PIECE.findall(inside[:-1]):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += piece
    return name, [argument.strip() for argument in arguments]


def _fixed(size: int) -> Skip:
    return lambda _, position, rows: position + size * rows


def _string(_: list[str]) -> tuple[Skip, int]:
    def skip(data: bytes, position: int, rows: int) -> int:
        for _ in range(rows):
            size = data[position]
            position += 1
            if size > 0x7F:  # noqa: PLR2004 - the varint's continuation bit
                size, position = varint(data, position - 1)
            position += size
        return position

    return skip, 0


def _fixed_string(arguments: list[str]) -> tuple[Skip, int]:
    return _fixed(int(arguments[0])), 0


def _decimal(arguments: list[str]) -> tuple[Skip, int]:
    return _fixed(next(size for digits, size in _DECIMAL_BYTES if int(arguments[0]) <= digits)), 0


def _nullable(arguments: list[str]) -> tuple[Skip, int]:
    inner, prefix = column(arguments[0])
    return lambda data, position, rows: inner(data, position + rows, rows), prefix


def _array(arguments: list[str]) -> tuple[Skip, int]:
    inner, prefix = column(arguments[0])

    def skip(data: bytes, position: int, rows: int) -> int:
        if not rows:
            return position
        position += 8 * rows
        return inner(data, position, int.from_bytes(data[position - 8 : position], "little"))

    return skip, prefix


def _tuple(arguments: list[str]) -> tuple[Skip, int]:
    parts = [column(_without_name(argument)) for argument in arguments if argument]

    def skip(data: bytes, position: int, rows: int) -> int:
        for inner, _ in parts:
            position = inner(data, position, rows)
        return position if parts else position + rows

    return skip, sum(prefix for _, prefix in parts)


def _without_name(element: str) -> str:
    """Take the type out of `name Type`: outside of quotes and parentheses a type has no space."""
    depth = start = position = 0
    for piece in _PIECE.findall(element):
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and " " in piece and piece[0] not in "'`":
            start = position + piece.rindex(" ") + 1
        position += len(piece)
    return element[start:]


def _low_cardinality(arguments: list[str]) -> tuple[Skip, int]:
    name, inside = _parsed(arguments[0])
    keys, _ = column(inside[0] if name == "Nullable" else arguments[0])

    def skip(data: bytes, position: int, rows: int) -> int:
        if not rows:
            return position
        width = 1 << data[position]  # the first byte of the flags: 0 to 3 for UInt8 to UInt64
        count = int.from_bytes(data[position + 8 : position + 16], "little")
        position = keys(data, position + 16, count)
        return position + 8 + width * rows

    return skip, 8


_MEASURES: Final[dict[str, Callable[[list[str]], tuple[Skip, int]]]] = {
    "String": _string,
    "JSON": lambda _: (_string([])[0], 8),  # with output_format_native_write_json_as_string: a version, then texts
    "FixedString": _fixed_string,
    "Decimal": _decimal,
    "Nullable": _nullable,
    "Array": _array,
    "Tuple": _tuple,
    "Map": lambda arguments: _array([f"Tuple({', '.join(arguments)})"]),
    "Nested": lambda arguments: _array([f"Tuple({', '.join(arguments)})"]),
    "LowCardinality": _low_cardinality,
    "SimpleAggregateFunction": lambda arguments: column(arguments[-1]),
}
