"""A request's body as bytes: read, decompressed, bounded on both sides of the decompression."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from collector.errors import Malformed, TooLarge, UnsupportedMedia

_GZIP = zlib.MAX_WBITS | 16  # zlib's way to ask for the gzip container


async def read(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """Collect a body; `encoding` is the Content-Encoding, `limit` the most bytes it may have once decompressed.

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
        return await _gunzip(chunks, limit)
    out = bytearray()
    async for chunk in chunks:
        out += chunk
        _check(len(out), limit)
    return bytes(out)


async def _gunzip(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    out = bytearray()
    async for chunk in chunks:
        try:
            out += inflater.decompress(chunk, limit + 1 - len(out))
        except zlib.error as error:
            raise Malformed(f"the body says gzip but does not inflate: {error}") from error
        _check(len(out), limit)
        if inflater.unconsumed_tail:  # it stopped at the bound: there is more
            _check(limit + 1, limit)
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
