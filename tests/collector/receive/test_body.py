"""Bodies are read, inflated and bounded, and what is not as it says is refused."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import random
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Malformed, Retryable, TooLarge, UnsupportedMedia
from collector.receive import body

LIMIT = 1000


def bare(data: bytes) -> bytes:
    """Deflate without zlib's container, as some clients take the name literally."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def streamed(data: bytes) -> bytes:
    """One zstd frame that does not say how large it unfolds, as streaming encoders write it."""
    packer = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return packer.compress(data) + packer.flush()


# (Content-Encoding, how to write it)
WRITERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate, bare": ("deflate", bare),
    "zstd": ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress),
    "zstd, streamed": ("zstd", streamed),
}
ENCODINGS = ["gzip", "deflate", "zstd"]


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


@given(st.binary(max_size=LIMIT), st.integers(1, 200), st.sampled_from(sorted(WRITERS)))
async def test_whatever_was_compressed_comes_back(data: bytes, size: int, writer: str) -> None:
    """Whatever was compressed comes back, however it is cut into pieces."""
    encoding, pack = WRITERS[writer]
    assert await read(pack(data), encoding, size=size) == data


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("level", [1, 9])
async def test_large_bodies(writer: str, level: int) -> None:
    """Bodies inflated in a thread come back as they are, random and repetitive ones."""
    encoding, pack = WRITERS[writer]
    data = random.Random(level).randbytes(200_000) + bytes(level * 200_000)
    assert await read(pack(data), encoding, limit=len(data), size=60_000) == data


@pytest.mark.parametrize("writer", [*WRITERS, ""])
@pytest.mark.parametrize("size", [1, 7, 10**6])
async def test_limit(writer: str, size: int) -> None:
    """Exactly the limit passes, one byte more does not, however the body arrives; the sentence names the setting."""
    encoding, pack = WRITERS.get(writer, ("", bytes))
    for content in (bytes(LIMIT + 1), random.Random(1).randbytes(LIMIT + 1)):  # what packs well, and what grows
        assert await read(pack(content[:-1]), encoding, size=size) == content[:-1]
        with pytest.raises(TooLarge, match="--max-request-bytes"):
            await read(pack(content), encoding, size=size)


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
    assert len(data) <= asked[-1] <= len(data) + len(packed) * bool(encoding) + (256 << 10)
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


@pytest.mark.parametrize("writer", ["gzip", "deflate, bare", "zstd", "zstd, streamed"])
async def test_bomb(writer: str) -> None:
    """A bomb of 100 MB is noticed while it inflates; memory stays near the limit."""
    encoding, pack = WRITERS[writer]
    bomb = pack(bytes(10**8))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await read(bomb, encoding, limit=10**6, size=len(bomb))
        assert tracemalloc.get_traced_memory()[1] < 4 * 10**6
    finally:
        tracemalloc.stop()


async def test_zstd_window() -> None:
    """A frame that wants its reader to keep more than RFC 9659 allows is refused."""
    greedy = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(3, window_log=27, enable_ldm=True)
    ).compressobj()
    packed = greedy.compress(b"x") + greedy.flush()
    with pytest.raises(Malformed, match="too much memory"):
        await read(packed, "zstd")


async def test_inflating_does_not_stop_the_others() -> None:
    """While a large body inflates, the event loop goes on."""
    packed = gzip.compress(bytes(5 * 10**7))
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    watching = asyncio.create_task(watch())
    await read(packed, limit=5 * 10**7, size=len(packed))
    watching.cancel()
    assert turns > 10


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("cut", [1, 4, 8, 9, 20])
async def test_cut_short(writer: str, cut: int) -> None:
    """A body that ends early is refused, also when only the checksum behind it is missing."""
    encoding, pack = WRITERS[writer]
    with pytest.raises(Malformed, match="does not inflate"):
        await read(pack(bytes(range(256)))[:-cut], encoding)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("size", [1, 10**6])
async def test_bytes_behind_the_end(writer: str, size: int) -> None:
    """Bytes behind the end are refused, a second member included: dropping them silently would drop data."""
    encoding, pack = WRITERS[writer]
    for tail in (b"x", b"\0" * 8, pack(b"more")):
        with pytest.raises(Malformed):
            await read(pack(b"data") + tail, encoding, size=size)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("data", [b"plain text", b'{"resourceSpans":[]}', b"\x1f\x8bgarbage", b"\x28\xb5\x2f\xfd", b""])
async def test_not_what_it_says(encoding: str, data: bytes) -> None:
    """A body that only says it is compressed is refused, an empty one included."""
    with pytest.raises(Malformed, match=f"says {encoding}"):
        await read(data, encoding)


@pytest.mark.parametrize("writer", WRITERS)
async def test_of_another_encoding(writer: str) -> None:
    """A body compressed otherwise than it says is refused."""
    written, pack = WRITERS[writer]
    for encoding in {*ENCODINGS} - {written.removeprefix("x-")}:
        with pytest.raises(Malformed):
            await read(pack(b"data"), encoding)


@pytest.mark.parametrize("writer", ["gzip", "deflate", "zstd", "zstd, streamed"])
async def test_damaged(writer: str) -> None:
    """A flipped bit anywhere never gives other data: the formats with a checksum notice."""
    encoding, pack = WRITERS[writer]
    data = bytes(range(100))
    good = pack(data)
    for at in range(len(good)):
        damaged = bytearray(good)
        damaged[at] ^= 1
        with contextlib.suppress(Malformed, TooLarge):
            assert await read(bytes(damaged), encoding) == data  # a bit of gzip's head that says nothing of the data


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "GZIP ", "compress", "snappy", "lz4"])
async def test_unknown_encoding(encoding: str) -> None:
    """An encoding nobody reads is refused by name before a byte is read."""
    with pytest.raises(UnsupportedMedia, match="send gzip, zstd or deflate"):
        await read(b"", encoding)
