"""Compression of requests and responses, HTTP's and ClickHouse's own; `test_clients.py` has real readers of both."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib

import httpx
import lz4.frame
import pytest
import zstandard
from clickhouse_cityhash.cityhash import CityHash128
from clickhouse_wire import unframed
from hypothesis import given
from hypothesis import strategies as st

from collector.query.clickhouse_http import compression
from collector.query.clickhouse_http.query_error import QueryError

PACK = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "lz4": lz4.frame.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
}
UNPACK = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
    "lz4": lz4.frame.decompress,
    "xz": lzma.decompress,
    "bz2": bz2.decompress,
}
ENCODINGS = sorted(PACK)


def raw(sql, body: bytes, headers: dict[str, str], **settings: str) -> tuple[httpx.Response, bytes]:
    """POST, and return the response with the bytes of its body as they came."""
    with sql.http.stream("POST", "/", content=body, headers=headers, params=settings) as reply:
        return reply, b"".join(reply.iter_raw())


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("rows", [1, 400_000])
def test_an_answer_in_every_encoding(sql, encoding: str, rows: int) -> None:
    """Short answers and streamed ones, read by the encoding's own library."""
    reply, body = raw(sql, b"SELECT number FROM numbers(%d)" % rows, {"accept-encoding": encoding})
    assert reply.headers["content-encoding"] == encoding
    assert UNPACK[encoding](body) == b"".join(b"%d\n" % number for number in range(rows))
    assert rows == 1 or len(body) < 2_400_000


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_request_in_every_encoding(sql, encoding: str) -> None:
    """What is cut short, followed by something, not that encoding, or a bomb, is refused."""

    def status(body: bytes, name: str = encoding) -> int:
        return sql.http.post("/", content=body, headers={"content-encoding": name}).status_code

    packed = PACK[encoding](b"SELECT 1, 2")
    assert sql.http.post("/", content=packed, headers={"content-encoding": encoding}).text == "1\t2\n"
    assert status(packed, encoding.upper()) == 200
    assert status(packed[:-3]) == 400
    assert status(packed + b"more") == 400
    assert status(b"SELECT 1") == 400
    assert status(PACK[encoding](b" " * (32 << 20))) == 413


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", ""),
        ("identity", ""),
        ("br, snappy", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),  # a browser's; ClickHouse's order counts, not theirs
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0, deflate;q=0.1", "deflate"),
        ("zstd; q=0.000, lz4", "lz4"),
        ("bz2, xz", "xz"),
        ("gzipped", ""),
        (",,;;q=", ""),
    ],
)
def test_which_encoding(accepted: str, encoding: str) -> None:
    """The most preferred of those that are wanted and spoken."""
    assert compression.chosen(accepted) == encoding


def test_clickhouses_frames(sql) -> None:
    """compress=1: results, errors, nothing at all, and inside of an encoding."""
    plain = {"accept-encoding": "identity"}
    _, body = raw(sql, b"SELECT number FROM numbers(400000)", plain, compress="1")
    assert unframed(body).count(b"\n") == 400_000
    reply, body = raw(sql, b"SELECT nothing", plain, compress="1")
    assert (reply.status_code, reply.headers["x-clickhouse-exception-code"]) == (404, "47")
    assert unframed(body).startswith(b"Code: 47. DB::Exception: ")
    assert raw(sql, b"SELECT 1 WHERE 0", plain, compress="1")[1] == b""
    _, body = raw(sql, b"SELECT 1", {"accept-encoding": "gzip"}, compress="1")
    assert unframed(gzip.decompress(body)) == b"1\n"


def test_an_empty_answer_stays_empty(sql) -> None:
    """No frame, no gzip of nothing: clickhouse-go takes Content-Length 0 for a result without rows."""
    reply, body = raw(sql, b"SELECT 1 WHERE 0", {"accept-encoding": "gzip"})
    assert (body, reply.headers["content-length"]) == (b"", "0")
    assert "content-encoding" not in reply.headers


def test_a_request_in_clickhouses_frames(sql) -> None:
    """decompress=1, as drivers send what they would insert."""
    two = compression.frame(b"SELECT 1, ") + compression.frame(b"2", readable=True)
    assert sql.http.post("/", content=two, params={"decompress": "1"}).text == "1\t2\n"
    packed = zstandard.ZstdCompressor().compress(b"SELECT 3")
    body = struct.pack("<BII", 0x90, 9 + len(packed), 8) + packed
    hashed = struct.pack("<QQ", *divmod(CityHash128(body), 1 << 64))
    assert sql.http.post("/", content=hashed + body, params={"decompress": "1"}).text == "3\n"
    insert = compression.frame(b"INSERT INTO words FORMAT Native \xff\xfe")
    refused = sql.http.post("/", content=insert, params={"decompress": "1"})
    assert refused.headers["x-clickhouse-exception-code"] == "164"


def spoilt(frame: bytes, at: int, bits: int) -> bytes:
    """Flip bits of one byte."""
    return frame[:at] + bytes([frame[at] ^ bits]) + frame[at + 1 :]


@given(data=st.binary(min_size=1, max_size=300), at=st.integers(0), bits=st.integers(1, 255), readable=st.booleans())
def test_a_spoilt_frame_is_refused(data: bytes, at: int, bits: int, *, readable: bool) -> None:
    """Whatever bit turns, wherever it is cut: an error, never other data."""
    frame = compression.frame(data, readable=readable)
    assert compression.unframed(frame + frame, 1000) == data + data
    for broken in (spoilt(frame, at % len(frame), bits), frame[: at % len(frame)], frame + frame[: at % len(frame)]):
        try:
            found = compression.unframed(broken, 1000)
        except QueryError:
            continue
        assert found in {b"", data}  # cut between two frames


def test_a_frame_cannot_unfold_beyond_the_limit() -> None:
    """Its head is believed only up to the limit, and then has to be true."""
    assert len(compression.unframed(compression.frame(b" " * 1000), 1000)) == 1000
    with pytest.raises(QueryError, match="larger"):
        compression.unframed(compression.frame(b" " * 1000), 999)
    with pytest.raises(QueryError, match="larger"):
        compression.unframed(compression.frame(b" " * 600) * 2, 1000)
    body = struct.pack("<BII", 0x82, 9 + 3, 50) + b"\x10aa"
    with pytest.raises(QueryError, match=r"unpacked|size"):
        compression.unframed(struct.pack("<QQ", *divmod(CityHash128(body), 1 << 64)) + body, 1000)
