"""A request's body as bytes: read, decompressed, bounded on both sides of the decompression."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

from collector.errors import Malformed, TooLarge, UnsupportedMedia

_GZIP = zlib.MAX_WBITS | 16  # zlib's way to ask for the gzip container
_STEP = 256 << 10  # bytes inflated at a time, so that room is there before they are

Grow = Callable[[int], Awaitable[None]]  # returns once the body may have so many bytes, or raises


async def _unbounded(_: int) -> None:
    """Grant any size."""


async def read(chunks: AsyncIterator[bytes], encoding: str, limit: int, grow: Grow = _unbounded) -> bytes:
    """Collect a body; `encoding` is the Content-Encoding, `limit` the most bytes it may have once decompressed.

    `grow` is asked before the body takes more memory, and may refuse.

    Raises:
        UnsupportedMedia: an encoding nobody here reads.
        TooLarge: more than `limit`, noticed while inflating, so a bomb never unfolds.
        Malformed: the body is not what its encoding says, or is cut short.
    """
    if encoding not in {"", "identity", "gzip"}:
        raise UnsupportedMedia(
            f"content encoding {encoding!r} is not supported", hint="send gzip, or no Content-Encoding at all"
        )
    if encoding == "gzip":
        return await _gunzip(chunks, limit, grow)
    out = bytearray()
    async for chunk in chunks:
        size = len(out) + len(chunk)
        _check(size, limit)
        await grow(size)
        out += chunk
    return bytes(out)


async def _gunzip(chunks: AsyncIterator[bytes], limit: int, grow: Grow) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    out = bytearray()
    async for chunk in chunks:
        rest = chunk
        while rest:
            most = min(len(out) + _STEP, limit + 1)  # one byte more than allowed is enough to know
            await grow(most)
            try:
                out += inflater.decompress(rest, most - len(out))
            except zlib.error as error:
                raise Malformed(f"the body says gzip but does not inflate: {error}") from error
            _check(len(out), limit)
            rest = inflater.unconsumed_tail
    if not inflater.eof:
        raise Malformed("the gzip body is cut short")
    if inflater.unused_data:
        raise Malformed("bytes follow the end of the gzip body")
    return bytes(out)


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"the body is larger than {limit} bytes after decompression",
            hint="send smaller batches, or raise --max-request-bytes",
        )
