"""A request's body as bytes: read, decompressed, bounded on both sides of the decompression."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import zstandard

from collector.errors import Malformed, TooLarge, UnsupportedMedia

_GZIP = zlib.MAX_WBITS | 16  # zlib's way to ask for the gzip container
_RAW = -zlib.MAX_WBITS  # … and for none
_WINDOW = 8 << 20  # bytes; RFC 9659: the most a zstd content encoding may ask its reader to keep
_STEP = 256 << 10  # bytes inflated at a time, so that room is there before they are
_AT_ONCE = (
    16 << 10
)  # packed bytes inflated between two other requests; more goes to a thread, which zlib and zstd let run

Grow = Callable[[int], Awaitable[None]]  # returns once the body may have so many bytes, or raises


async def _unbounded(_: int) -> None:
    """Grant any size."""


async def read(chunks: AsyncIterator[bytes], encoding: str, limit: int, grow: Grow = _unbounded) -> bytes:
    """Collect a body; `encoding` is the Content-Encoding, `limit` the most bytes it may have once decompressed.

    `grow` is asked before the body takes more memory, and may refuse. While a body is inflated, both forms count.

    Raises:
        UnsupportedMedia: an encoding nobody here reads.
        TooLarge: more than `limit`, noticed while inflating, so a bomb never unfolds.
        Malformed: the body is not what its encoding says, is cut short, or something follows its end.
    """
    if encoding in {"", "identity"}:
        return await _collect(chunks, limit, limit, grow)
    if encoding not in _INFLATERS:
        raise UnsupportedMedia(
            f"content encoding {encoding!r} is not supported",
            hint="send gzip, zstd or deflate, or no Content-Encoding at all",
        )
    packed = await _collect(chunks, limit + (limit >> 7) + 1024, limit, grow)  # what cannot be compressed grows by less
    return await _inflate(_INFLATERS[encoding](packed), len(packed), limit, grow)


async def _collect(chunks: AsyncIterator[bytes], most: int, limit: int, grow: Grow) -> bytes:
    out = bytearray()
    async for chunk in chunks:
        size = len(out) + len(chunk)
        if size > most:
            raise _too_large(limit)
        await grow(size)
        out += chunk
    return bytes(out)


class _Inflater(Protocol):
    """Gives back what was packed, piece by piece."""

    def step(self, most: int) -> bytes:
        """Return at most so many bytes more; none at the end."""

    def finish(self) -> None:
        """See that it ended where it says, and nothing follows. Raises Malformed."""


async def _inflate(inflater: _Inflater, packed: int, limit: int, grow: Grow) -> bytes:
    out = bytearray()
    while True:
        most = min(_STEP, limit + 1 - len(out))  # one byte more than allowed is enough to know
        await grow(packed + len(out) + most)
        more = await asyncio.to_thread(inflater.step, most) if packed > _AT_ONCE else inflater.step(most)
        if not more:
            break
        out += more
        if len(out) > limit:
            raise _too_large(limit)
    inflater.finish()
    return bytes(out)


class _Zlib:
    """What zlib packs, in one of its containers."""

    def __init__(self, name: str, container: int, packed: bytes) -> None:
        self._name = name
        self._inflater = zlib.decompressobj(container)
        self._rest = packed

    def step(self, most: int) -> bytes:
        try:
            out = self._inflater.decompress(self._rest, most)
        except zlib.error as error:
            raise _not(self._name, error) from error
        self._rest = self._inflater.unconsumed_tail
        return out

    def finish(self) -> None:
        _require_end(self._name, self._inflater)


class _Zstd:
    """One zstd frame.

    The library has no call that bounds what comes out and tells what follows it as well. So the frame is read for what
    it holds, and once more, in small pieces whose output is dropped, for how it ends.
    """

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._reader = self._decompressor.stream_reader(packed)

    def step(self, most: int) -> bytes:
        try:
            return self._reader.read(most)
        except zstandard.ZstdError as error:
            raise _not("zstd", error) from error

    def finish(self) -> None:
        inflater = self._decompressor.decompressobj()
        at = 0
        try:
            while at < len(self._packed) and not inflater.eof:
                inflater.decompress(self._packed[at : at + _AT_ONCE])
                at += _AT_ONCE
        except zstandard.ZstdError as error:
            raise _not("zstd", error) from error
        _require_end("zstd", inflater)
        if at < len(self._packed):
            raise _not("zstd", "bytes follow its end")


def _gzip(packed: bytes) -> _Inflater:
    return _Zlib("gzip", _GZIP, packed)


def _deflate(packed: bytes) -> _Inflater:
    """Read deflate: HTTP means zlib's container, some clients send it bare."""
    contained = int.from_bytes(packed[:2]) % 31 == 0 and packed[:1].hex().endswith("8")  # RFC 1950, 2.2
    return _Zlib("deflate", zlib.MAX_WBITS if contained else _RAW, packed)


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


_INFLATERS: dict[str, Callable[[bytes], _Inflater]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,  # RFC 9110, 8.4.1.3: the same
    "deflate": _deflate,
    "zstd": _Zstd,
}
