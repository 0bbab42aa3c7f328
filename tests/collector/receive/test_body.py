"""Bodies are read, inflated and bounded, and what is not as it says is refused."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Malformed, Retryable, TooLarge, UnsupportedMedia
from collector.receive import body

LIMIT = 1000


async def chunks(data: bytes, size: int = 64) -> AsyncIterator[bytes]:
    """Arrive piece by piece, an empty piece last, as ASGI servers send it."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
    yield b""


async def read(data: bytes, encoding: str = "gzip", *, limit: int = LIMIT, size: int = 64) -> bytes:
    """Read a body that arrives in pieces of `size`."""
    return await body.read(chunks(data, size), encoding, limit)


@pytest.mark.parametrize("encoding", ["", "identity"])
@pytest.mark.parametrize("length", [0, 1, LIMIT - 1, LIMIT])
async def test_plain(encoding: str, length: int) -> None:
    """A plain body of up to the limit is read as it is."""
    assert await read(bytes(length), encoding) == bytes(length)


@given(st.binary(max_size=LIMIT), st.integers(1, 200), st.integers(0, 9))
async def test_gzip(data: bytes, size: int, level: int) -> None:
    """Whatever was compressed comes back, however it is cut into pieces."""
    assert await read(gzip.compress(data, level), size=size) == data


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_limit(encoding: str) -> None:
    """Exactly the limit passes, one byte more does not; the sentence names the setting."""
    pack = gzip.compress if encoding else bytes
    assert len(await read(pack(bytes(LIMIT)), encoding)) == LIMIT
    with pytest.raises(TooLarge, match="--max-request-bytes"):
        await read(pack(bytes(LIMIT + 1)), encoding)


@pytest.mark.parametrize("size", [1, 7, 10**6])
async def test_limit_is_counted_across_pieces(size: int) -> None:
    """How the network cuts a body does not move the limit."""
    assert len(await read(gzip.compress(bytes(LIMIT)), size=size)) == LIMIT
    with pytest.raises(TooLarge):
        await read(gzip.compress(bytes(LIMIT + 1)), size=size)


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("size", [100, 10**6])
async def test_room_is_asked_for_before_it_is_taken(encoding: str, size: int) -> None:
    """Before the body grows it is asked whether it may, in steps; at the end for no more than a step too much."""
    data, asked = bytes(2 << 20), list[int]()

    async def grow(most: int) -> None:
        asked.append(most)

    packed = gzip.compress(data) if encoding else data
    assert await body.read(chunks(packed, size), encoding, 4 << 20, grow) == data
    assert asked == sorted(asked)
    assert len(data) <= asked[-1] <= len(data) + (256 << 10)
    assert max(after - before for before, after in itertools.pairwise([0, *asked])) <= max(256 << 10, size)


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_what_may_not_grow_stops(encoding: str) -> None:
    """A no to the question ends the reading there: a bomb inflates no further."""
    data = bytes(50 << 20)
    packed = gzip.compress(data) if encoding else data

    async def grow(most: int) -> None:
        if most > 1 << 20:
            raise Retryable("full")

    tracemalloc.start()
    try:
        with pytest.raises(Retryable):
            await body.read(chunks(packed, 1000), encoding, 64 << 20, grow)
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


async def test_bomb() -> None:
    """A bomb of 200 MB is noticed while it inflates; memory stays near the limit."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(bytes(10**7)) for _ in range(20)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await read(bomb, limit=10**6, size=len(bomb))
        assert tracemalloc.get_traced_memory()[1] < 4 * 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [1, 8, 9, 20])
async def test_gzip_cut_short(cut: int) -> None:
    """A body that ends early is refused, also when only the checksum behind it is missing."""
    with pytest.raises(Malformed, match="cut short"):
        await read(gzip.compress(bytes(range(256)))[:-cut])


@pytest.mark.parametrize("tail", [b"x", b"\0" * 8, gzip.compress(b"more")])
@pytest.mark.parametrize("size", [1, 10**6])
async def test_bytes_behind_gzip(tail: bytes, size: int) -> None:
    """Bytes behind the end are refused: dropping them silently would drop data, however they arrive."""
    with pytest.raises(Malformed):
        await read(gzip.compress(b"data") + tail, size=size)


@pytest.mark.parametrize("data", [b"plain text", zlib.compress(b"deflate"), b"\x1f\x8bgarbage", b""])
async def test_not_gzip(data: bytes) -> None:
    """A body that only says gzip is refused, an empty one included."""
    with pytest.raises(Malformed):
        await read(data)


async def test_damaged_gzip() -> None:
    """A flipped bit anywhere in the data or the checksum is refused."""
    good = gzip.compress(bytes(range(100)), mtime=0)
    for at in range(10, len(good)):
        damaged = bytearray(good)
        damaged[at] ^= 1
        with pytest.raises((Malformed, TooLarge)):
            await read(bytes(damaged))


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "GZIP "])
async def test_unknown_encoding(encoding: str) -> None:
    """An encoding nobody reads is refused by name before a byte is read."""
    with pytest.raises(UnsupportedMedia, match="send gzip"):
        await read(b"", encoding)
