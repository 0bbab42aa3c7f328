"""Reads what ClickHouse's clients read: Native blocks of the newer protocol, and compressed frames."""

from __future__ import annotations

import struct
from typing import Any

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.ctypes import RespBuffCls
from clickhouse_connect.driver.query import QueryContext


class _Source:
    """Bytes for clickhouse-connect's decoder."""

    def __init__(self, data: bytes) -> None:
        self.gen = iter([data])

    def close(self) -> None:
        """Nothing to close."""


def decoded(data: bytes) -> list[dict[str, list[Any]]]:
    """Read blocks as clickhouse-go's Block.Decode does; the columns are read by clickhouse-connect."""
    source = RespBuffCls(_Source(data))
    context = QueryContext(query="")
    blocks = []
    while True:
        try:
            info = source.read_bytes(8)
        except Exception:  # noqa: BLE001 - the end of the stream
            return blocks
        assert info == b"\x01\x00\x02\xff\xff\xff\xff\x00"
        columns, rows = source.read_leb128(), source.read_leb128()
        block = {}
        for _ in range(columns):
            name, kind = source.read_leb128_str(), source.read_leb128_str()
            assert source.read_byte() == 0, "custom serialization"
            block[name] = list(get_from_name(kind).read_column(source, rows, context)) if rows else []
        blocks.append(block)


def unframed(data: bytes) -> bytes:
    """Read ClickHouse's frames as its documentation has them."""
    out = b""
    while data:
        method, size, plain = struct.unpack_from("<BII", data, 16)
        first, second = struct.unpack_from("<QQ", data)
        assert CityHash128(data[16 : 16 + size]) == (first << 64) + second
        packed = data[25 : 16 + size]
        assert method in {0x82, 0x02}
        out += lz4.block.decompress(packed, uncompressed_size=plain) if method == 0x82 else packed
        data = data[16 + size :]
    return out
