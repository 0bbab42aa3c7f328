"""Compression of requests and responses: HTTP's encodings, and ClickHouse's own framing (`compress=1`, `decompress=1`).

A frame, as ClickHouse's CompressedWriteBuffer writes it; JDBC and clickhouse-go with LZ4 read nothing else:

    | checksum 16 | method 1 | size 4 | unpacked 4 | packed …
                  |------ checksum and size are of these ----|
      CityHash128 of version 1.0.2; method 0x82: LZ4, 0x90: zstd, 0x02: as it is; numbers are little-endian

Of the encodings ClickHouse knows, `br` and `snappy` are not spoken here: a client that takes another one gets that.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import lz4.block
import lz4.frame
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from collector.query.clickhouse_http.query_error import QueryError, bad_arguments

_LEVEL: Final = 3  # ClickHouse's own default, `http_zlib_compression_level`
_GZIP: Final = zlib.MAX_WBITS | 16  # zlib's way to ask for the gzip container
_WINDOW: Final = 8 << 20  # bytes; RFC 9659: the most a zstd content encoding may ask its reader to keep
_XZ_MEMORY: Final = 32 << 20

_HASH: Final = struct.Struct("<QQ")
_HEAD: Final = struct.Struct("<BII")
_LZ4, _ZSTD, _PLAIN = 0x82, 0x90, 0x02
_FRAME_BYTES: Final = 1 << 20  # unpacked, as ClickHouse cuts them

_BROKEN: Final = (zlib.error, lzma.LZMAError, lz4.block.LZ4BlockError, zstandard.ZstdError)
_BROKEN_TOO: Final = (OSError, EOFError, RuntimeError, ValueError)  # of bz2 and lz4.frame


class Packer(Protocol):
    """Compresses a response piece by piece; `compress` may keep what `flush` then returns."""

    def compress(self, data: bytes) -> bytes:
        """Take the next piece."""

    def flush(self) -> bytes:
        """End."""


class _Lz4Frame:
    """Hands out the frame's head with the first piece."""

    def __init__(self) -> None:
        self._packer = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._packer.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._packer.compress(data))

    def flush(self) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._packer.flush())


# In ClickHouse's order of preference (chooseHTTPCompressionMethod).
_PACKERS: Final[dict[str, Callable[[], Any]]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=_LEVEL).compressobj(),
    "lz4": _Lz4Frame,
    "gzip": lambda: zlib.compressobj(level=_LEVEL, wbits=_GZIP),
    "deflate": lambda: zlib.compressobj(level=_LEVEL),
    "xz": lambda: lzma.LZMACompressor(preset=1),
    "bz2": lambda: bz2.BZ2Compressor(_LEVEL),
}
_UNPACKERS: Final[dict[str, Callable[[], Any]]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "gzip": lambda: zlib.decompressobj(wbits=_GZIP),
    "deflate": zlib.decompressobj,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
    "bz2": bz2.BZ2Decompressor,
}


def chosen(accepted: str) -> str:
    """Return the encoding to answer with to this Accept-Encoding, "" for none."""
    wanted = set()
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if weight.replace(" ", "").rstrip("0.") != "q=":  # of weight 0 is what they do not want
            wanted.add(name.strip())
    return next((name for name in _PACKERS if name in wanted), "")


def packer(encoding: str) -> Packer | None:
    """Return what compresses a response, None for no encoding."""
    made: Packer | None = _PACKERS[encoding]() if encoding else None
    return made


def frames(data: bytes) -> bytes:
    """Return data in ClickHouse's own framing."""
    return b"".join(frame(data[at : at + _FRAME_BYTES]) for at in range(0, len(data), _FRAME_BYTES))


def frame(data: bytes, *, readable: bool = False) -> bytes:
    """Return data as one frame; a `readable` one holds it as it is."""
    packed: bytes = data if readable else lz4.block.compress(data, store_size=False)
    body = _HEAD.pack(_PLAIN if readable else _LZ4, _HEAD.size + len(packed), len(data)) + packed
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    first, second = divmod(CityHash128(body), 1 << 64)
    return _HASH.pack(first, second)


def unframed(data: bytes, limit: int) -> bytes:
    """Return what stands in ClickHouse's frames.

    Raises:
        QueryError: they are not what they say, or hold more than `limit` bytes.
    """
    pieces: list[bytes] = []
    size = position = 0
    while position < len(data):
        plain, position = _unpacked_frame(data, position, limit - size)
        size += len(plain)
        pieces.append(plain)
    return b"".join(pieces)


def _unpacked_frame(data: bytes, position: int, most: int) -> tuple[bytes, int]:
    start = position + _HASH.size
    if len(data) < start + _HEAD.size:
        raise bad_arguments("The body of decompress=1 ends within a frame")
    method, packed, unpacked = _HEAD.unpack_from(data, start)
    end = start + packed
    if packed < _HEAD.size or end > len(data):
        raise bad_arguments("The body of decompress=1 is not in ClickHouse's frames, or ends within one")
    if _checksum(data[start:end]) != data[position:start]:
        raise QueryError(40, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: corrupted data.")
    if unpacked > most:
        raise too_large()
    return _plain(method, data[start + _HEAD.size : end], unpacked), end


def _plain(method: int, packed: bytes, size: int) -> bytes:
    try:
        if method == _LZ4:
            plain: bytes = lz4.block.decompress(packed, uncompressed_size=size)
        elif method == _ZSTD:
            plain, _ = _zstd(packed, size)  # not `decompress`, which makes room for whatever the packed data says
        elif method == _PLAIN:
            plain = packed
        else:
            raise QueryError(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method: {method:#04x}.")
    except _BROKEN + _BROKEN_TOO as error:
        raise bad_arguments(f"A frame of decompress=1 cannot be unpacked: {error}") from None
    if len(plain) != size:
        raise bad_arguments("A frame of decompress=1 has not the size it says")
    return plain


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its Content-Encoding; a bomb never unfolds.

    Raises:
        QueryError: an encoding not spoken here, or the body is not what it says, or larger than `limit` bytes.
    """
    try:
        plain, whole = _zstd(body, limit) if encoding == "zstd" else _other(body, encoding, limit)
    except _BROKEN + _BROKEN_TOO as error:
        raise bad_arguments(f"The body is not {encoding}: {str(error)[:200]}") from None
    if len(plain) > limit:
        raise too_large()
    if not whole:
        raise bad_arguments(f"The {encoding} body ends early, or something follows its end")
    return plain


def _other(body: bytes, encoding: str, limit: int) -> tuple[bytes, bool]:
    if encoding not in _UNPACKERS:
        read = ", ".join(_PACKERS)
        raise QueryError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding[:20]} is not read here: send {read}.")
    unpacker = _UNPACKERS[encoding]()
    plain = unpacker.decompress(body, limit + 1)
    return plain, unpacker.eof and not unpacker.unused_data


def _zstd(body: bytes, limit: int) -> tuple[bytes, bool]:
    context = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    with context.stream_reader(io.BytesIO(body)) as reader:
        plain = reader.read(limit + 1)
    if len(plain) > limit:
        return plain, False
    ended = context.decompressobj()  # knows where a frame ends; what unfolds from it is small, as was just seen
    ended.decompress(body)
    return plain, ended.eof and not ended.unused_data


def too_large(limit: int | None = None) -> QueryError:
    """Refuse a request for its size."""
    than = f"{limit} bytes" if limit else "a request may be"
    return QueryError(229, "QUERY_IS_TOO_LARGE", f"The request is larger than {than}.")
