"""What no exporter sends: noise, broken requests and bombs, over both protocols. None of it may hurt anybody."""

from __future__ import annotations

import functools
import gzip
import random
import zlib

import grpc
import zstandard
from processes import PROTOBUF, plain_client
from senders import SENT

from collector.receive.wire import WIRE
from collector.request import Signal, varint

JSON = {"content-type": "application/json"}
ZEROS = bytes(100 << 20)  # more than a request may have
REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}  # never to be sent again
TRIES = 20  # bodies over each protocol


def over_http(address: str, choose: random.Random) -> None:
    """Send bodies that are refused, or hold nothing, or pass; none is the collector's fault."""
    with plain_client() as client:
        for _ in range(TRIES):
            path = choose.choice([*(each.path for each in WIRE.values()), "/nowhere"])
            headers = choose.choice([PROTOBUF, JSON, PROTOBUF | {"content-encoding": "gzip"}, {}])
            body = _json_nest(choose) if headers == JSON and choose.random() < 0.5 else _body(choose)
            status = client.post(address + path, content=body, headers=headers).status_code
            assert status < 500, f"{path} {headers} {body.hex()}: {status}"
        for encoding, bomb in bombs().items():
            path = choose.choice(list(WIRE.values())).path
            status = client.post(address + path, content=bomb, headers=PROTOBUF | {"content-encoding": encoding})
            assert status.status_code == 413, f"a bomb of {encoding} on {path}: {status}"


def over_grpc(address: str, choose: random.Random) -> None:
    """Send such bodies as raw messages."""
    with grpc.insecure_channel(address) as channel:
        for _ in range(TRIES):
            wire, body = choose.choice(list(WIRE.values())), _body(choose)
            code = _answer(channel, wire.service, body)
            assert code in {None, *REFUSED}, f"{wire.service} {body.hex()}: {code}"
        wire = choose.choice(list(WIRE.values()))
        code = _answer(channel, wire.service, ZEROS, grpc.Compression.Gzip)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED, f"a bomb on {wire.service}: {code}"


@functools.cache
def bombs() -> dict[str, bytes]:
    """Return some hundred kilobytes each that inflate to more than a request may have, by their encoding."""
    return {"gzip": gzip.compress(ZEROS, 1), "deflate": zlib.compress(ZEROS, 1), "zstd": zstandard.compress(ZEROS)}


def _answer(
    channel: grpc.Channel, service: str, body: bytes, compression: grpc.Compression | None = None
) -> grpc.StatusCode | None:
    """Return the code with which a message is refused, None if it is not."""
    try:
        channel.unary_unary(f"/{service}/Export")(body, timeout=30, compression=compression)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return None


def _body(choose: random.Random) -> bytes:
    return choose.choice([_noise, _bent, _nest])(choose)


def _noise(choose: random.Random) -> bytes:
    return b"\x0a" * choose.randrange(3) + choose.randbytes(choose.randrange(2000))


def _bent(choose: random.Random) -> bytes:
    """Return a request some of whose bytes are others."""
    body = bytearray(SENT[choose.choice(list(Signal))].make("bent").SerializeToString())
    for _ in range(choose.choice((1, 2, 10))):
        body[choose.randrange(len(body))] = choose.randrange(256)
    return bytes(body)


def _nest(choose: random.Random) -> bytes:
    """Return a resource, of any signal, with arrays in arrays: as deep as the parser goes, deeper, absurdly deep."""
    value = _field(1, b"core")
    for _ in range(choose.choice((20, 60, 3000))):
        value = _field(5, _field(1, value))
    attribute = _field(1, b"key") + _field(2, value)
    return _field(1, _field(1, _field(1, attribute)))


def _field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _json_nest(choose: random.Random) -> bytes:
    """Return JSON nested beyond any stack, closed or not."""
    depth = choose.choice((200, 100_000))
    opening, closing = choose.choice([(b"[", b"]"), (b'{"resourceSpans":[', b"]}"), (b'{"a":', b"}")])
    return opening * depth + choose.choice([b"", b"1" + closing * depth])
