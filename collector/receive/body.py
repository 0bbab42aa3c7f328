"""A request's body as bytes: read, decompressed, bounded on both sides of the decompression."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import zstandard

from collector.errors import Malformed, TooLarge, UnsupportedMedia

_GZIP = zlib.MAX_WBITS | 16  # zlib's way to ask for the gzip container
_RAW = -zlib.MAX_WBITS  # … and for none
_WINDOW = 8 << 20  # bytes; RFC 9659: the most a zstd content encoding may ask its reader to keep
_AT_ONCE = (
    16 << 10
)  # packed bytes inflated between two other requests; more goes to a thread, which zlib and zstd let run


async def read(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """Collect a body; `encoding` is the Content-Encoding, `limit` the most bytes it may have once decompressed.

    Raises:
        UnsupportedMedia: an encoding nobody here reads.
        TooLarge: more than `limit`, noticed while inflating, so a bomb never unfolds.
        Malformed: the body is not what its encoding says, is cut short, or something follows its end.
    """
    if encoding in {"", "identity"}:
        return await _collect(chunks, limit, limit)
    if encoding not in _INFLATE:
        raise UnsupportedMedia(
            f"content encoding {encoding!r} is not supported",
            hint="send gzip, zstd or deflate, or no Content-Encoding at all",
        )
    packed = await _collect(chunks, limit + (limit >> 7) + 1024, limit)  # what cannot be compressed grows by less
    if len(packed) > _AT_ONCE:
        return await asyncio.to_thread(_INFLATE[encoding], packed, limit)
    return _INFLATE[encoding](packed, limit)


async def _collect(chunks: AsyncIterator[bytes], most: int, limit: int) -> bytes:
    out = bytearray()
    async for chunk in chunks:
        out += chunk
        if len(out) > most:
            raise _too_large(limit)
    return bytes(out)


def _gunzip(packed: bytes, limit: int) -> bytes:
    return _unzip(packed, limit, "gzip", _GZIP)


def _inflate(packed: bytes, limit: int) -> bytes:
    """Read deflate: HTTP means zlib's container, some clients send it bare."""
    contained = int.from_bytes(packed[:2]) % 31 == 0 and packed[:1].hex().endswith("8")  # RFC 1950, 2.2
    return _unzip(packed, limit, "deflate", zlib.MAX_WBITS if contained else _RAW)


def _unzip(packed: bytes, limit: int, name: str, container: int) -> bytes:
    inflater = zlib.decompressobj(container)
    try:
        out = inflater.decompress(packed, limit + 1)
    except zlib.error as error:
        raise _not(name, error) from error
    if len(out) > limit:
        raise _too_large(limit)
    _require_end(name, inflater)
    return out


def _unzstd(packed: bytes, limit: int) -> bytes:
    """Read one zstd frame: once to see how far it goes, once for what it holds and what follows it.

    The library has no call that does both: what bounds the output does not tell a frame that is cut short from one that
    is too large, nor whether bytes follow.
    """
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    try:
        if len(reader.stream_reader(packed).read(limit + 1)) > limit:
            raise _too_large(limit)
        inflater = reader.decompressobj()
        out = inflater.decompress(packed)
    except zstandard.ZstdError as error:
        raise _not("zstd", error) from error
    _require_end("zstd", inflater)
    return out


def _require_end(name: str, inflater: Any) -> None:
    if not inflater.eof:
        raise _not(name, "it is cut short")
    if inflater.unused_data:
        raise _not(name, "bytes follow its end")


def _not(name: str, why: object) -> Malformed:
    return Malformed(f"the body says {name} but does not inflate: {why}")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit} bytes after decompression",
        hint="send smaller batches, or raise --max-request-bytes",
    )


_INFLATE: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,  # RFC 9110, 8.4.1.3: the same
    "deflate": _inflate,
    "zstd": _unzstd,
}
