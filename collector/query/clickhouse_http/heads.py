"""One result out of blocks that were each encoded as if they were all of it.

Formats with a head repeat it with each block:

    block 1   head | rows                block 2   head | rows             ->   head | rows | rows
    ArrowStream: schema | batches | end  and so on                         ->   schema | batches | batches | end

The head is found in the first block and has to open all others, else the result is broken off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from collector.query.clickhouse_http.native import varint
from collector.query.clickhouse_http.query_error import UNKNOWN_EXCEPTION, QueryError

_ARROW_END: Final = b"\xff\xff\xff\xff\0\0\0\0"
_ARROW_MARK: Final = 4  # bytes before the length of a message


def _lines(number: int) -> Callable[[bytes], int]:
    def length(block: bytes) -> int:
        end = 0
        for _ in range(number):
            end = block.index(b"\n", end) + 1
        return end

    return length


def _csv_lines(number: int) -> Callable[[bytes], int]:
    def length(block: bytes) -> int:
        """Lines end outside of quotes only; a quote within quotes is doubled, which counts the same."""
        end = start = 0
        for _ in range(number):
            while True:
                end = block.index(b"\n", end) + 1
                if block.count(b'"', start, end) % 2 == 0:
                    break
            start = end
        return end

    return length


def _binary(texts: int) -> Callable[[bytes], int]:
    def length(block: bytes) -> int:
        columns, position = varint(block, 0)
        for _ in range(columns * texts):
            size, position = varint(block, position)
            position += size
        return position

    return length


def _arrow(block: bytes) -> int:
    start = 2 * _ARROW_MARK
    return start + int.from_bytes(block[_ARROW_MARK:start], "little")


_HEADS: Final[dict[str, Callable[[bytes], int]]] = {
    "ArrowStream": _arrow,
    "CSVWithNames": _csv_lines(1),
    "CSVWithNamesAndTypes": _csv_lines(2),
    "JSONCompactEachRowWithNames": _lines(1),
    "JSONCompactEachRowWithNamesAndTypes": _lines(2),
    "JSONCompactStringsEachRowWithNames": _lines(1),
    "JSONCompactStringsEachRowWithNamesAndTypes": _lines(2),
    "RowBinaryWithNames": _binary(1),
    "RowBinaryWithNamesAndTypes": _binary(2),
    "TSVWithNames": _lines(1),
    "TSVWithNamesAndTypes": _lines(2),
    "TabSeparatedWithNames": _lines(1),
    "TabSeparatedWithNamesAndTypes": _lines(2),
}
# These change what a head looks like, or what follows the rows.
_RESHAPING: Final = (
    "output_format_arrow_low_cardinality_as_dictionary",
    "output_format_binary_encode_types_in_binary_format",
    "output_format_json_array_of_rows",
    "format_csv_",
    "output_format_csv_",
)

HEADED: Final = frozenset(_HEADS)


def reshapes(setting: str) -> bool:
    """Tell whether heads cannot be found where this setting is changed."""
    return setting.startswith(_RESHAPING)


class Joiner:
    """Joins the blocks of one result."""

    def __init__(self, output_format: str) -> None:
        self._length = _HEADS.get(output_format)
        self._end = _ARROW_END if output_format == "ArrowStream" else b""
        self._head: bytes | None = None

    def next(self, block: bytes) -> bytes:
        """Return what of a block follows what was returned before.

        Raises:
            QueryError: the block does not begin as the first one did.
        """
        if self._length is None or not block:
            return block
        block = block.removesuffix(self._end)
        if self._head is None:
            self._head = block[: self._length(block)]
            return block
        if not block.startswith(self._head):
            raise QueryError(UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", "The columns changed from one block to the next.")
        return block[len(self._head) :]

    def end(self) -> bytes:
        """Return what stands behind the last block."""
        end, self._end = self._end, b""
        return end if self._head is not None else b""
