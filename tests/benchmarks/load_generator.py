"""The load generator: a process of its own, so that its CPU is counted apart.

It sends ready-made OTLP requests over gRPC, each one with ids and times of its own, which are patched into the bytes.
Orders come in as JSON lines, results go out as JSON lines.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import grpc
import numpy as np
from otlp_builders import span, traces

SPANS = 512  # of a request: what the stock SDK's batch processor sends at most
TEMPLATES = 20
SESSIONS = 256  # of a template
REQUESTS_OF_A_GROUP = 8  # requests that share their sessions: a session has 16 interactions
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BUSY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
WORDS = ["the", "answer", "took", "a", "while", "because", "the", "kitchen", "was", "busy", "with", "beans", "today"]
# Placeholders of four bytes that are replaced: a request's number, its group's number in bytes and in hex, and the
# upper half of its spans' times.
NUMBER, GROUP, GROUP_HEX, SECONDS = b"\xf1\xf2\xf3\xf4", b"\xf5\xf6\xf7\xf8", b"@~@~", b"\xfa\xfb\xfc\xfd"


def attributes(choose: random.Random, session: str, number: int) -> dict[str, object]:
    """Make an assistant's answer: 11 attributes, 300 bytes of text."""
    text = " ".join(choose.choices(WORDS, k=60))[:300]
    return {
        "session.id": session,
        "user.id": f"u-{choose.randrange(10_000)}",
        "interaction.type": "assistant_response",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": choose.randrange(4000),
        "gen_ai.usage.output_tokens": choose.randrange(900),
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": choose.randrange(1, 4096) / 4096,  # every engine writes these alike
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": text}]}]),
        "interaction.sequence": number,
    }


class Template:
    """A request with placeholders; every session is one trace."""

    def __init__(self, seed: int) -> None:
        choose = random.Random(seed)
        spans = []
        for number in range(SPANS):
            session = choose.randrange(SESSIONS)
            begun, taken = choose.randrange(2**31), choose.randrange(2**31)
            spans.append(
                span(
                    "chat gpt-5",
                    attributes(choose, f"s-{GROUP_HEX.decode()}-{session}", number),
                    kind=3,
                    trace_id=GROUP + hashlib.sha256(bytes([session])).digest()[:12],
                    span_id=NUMBER + number.to_bytes(4, "big"),
                    start_time_unix_nano=int.from_bytes(begun.to_bytes(4, "little") + SECONDS, "little"),
                    end_time_unix_nano=int.from_bytes((begun + taken).to_bytes(4, "little") + SECONDS, "little"),
                )
            )
        body = traces(*spans).SerializeToString()
        self._body = np.frombuffer(body, np.uint8)
        self._places = {each: _places(body, each) for each in (NUMBER, GROUP, GROUP_HEX, SECONDS)}

    def request(self, number: int) -> bytes:
        """Return the request of this number: the same number gives the same spans, but for their times."""
        group = number // REQUESTS_OF_A_GROUP
        upper = (time.time_ns() >> 32) - 1  # a template's times spread over the 4.3 seconds before
        body = self._body.copy()
        for placeholder, value in (
            (NUMBER, (number + 1).to_bytes(4, "big")),
            (GROUP, (group + 1).to_bytes(4, "big")),
            (GROUP_HEX, b"%04x" % (group % 0x10000)),
            (SECONDS, upper.to_bytes(4, "little")),
        ):
            body[self._places[placeholder]] = np.frombuffer(value, np.uint8)
        return body.tobytes()


def _places(body: bytes, placeholder: bytes) -> Any:
    """Return the offsets of a placeholder's four bytes, a row each time it is there."""
    starts = [found.start() for found in re.finditer(re.escape(placeholder), body)]
    return np.array(starts)[:, None] + np.arange(4)


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: requests `first` to `first + requests - 1`; `rate` in spans/s, 0 is as fast as they are taken."""

    address: str
    first: int
    requests: int
    rate: float = 0
    in_flight: int = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of an order: seconds it took, CPU seconds of the generator, tries refused as busy, ack times."""

    seconds: float
    cpu_seconds: float
    refused: int
    waits_ms: list[float]


async def send(order: Order, templates: list[Template]) -> Sent:
    """Carry out an order; what is refused as busy is tried again."""
    waits: list[float] = []
    refused, begun, cpu = 0, time.perf_counter(), time.process_time()
    todo = iter(range(order.requests))

    async with grpc.aio.insecure_channel(order.address) as channel:
        export = channel.unary_unary(EXPORT)

        async def work() -> None:
            nonlocal refused
            for number in todo:
                if order.rate:
                    await asyncio.sleep(begun + number * SPANS / order.rate - time.perf_counter())
                body, asked = (
                    templates[(order.first + number) % TEMPLATES].request(order.first + number),
                    time.perf_counter(),
                )
                while True:
                    try:
                        await export(body)
                        break
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in BUSY:
                            raise
                        refused += 1
                        await asyncio.sleep(0.1)
                waits.append((time.perf_counter() - asked) * 1000)

        await asyncio.gather(*(work() for _ in range(order.in_flight)))
    return Sent(time.perf_counter() - begun, time.process_time() - cpu, refused, waits)


class LoadGenerator:
    """The generator's process, seen from outside."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, order: Order) -> Sent:
        """Let it carry out an order; wait until all is acknowledged."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the load generator ended"
        return Sent(**json.loads(answer))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def orders() -> Iterator[Order]:
    """Read the orders as they come."""
    for line in sys.stdin:
        yield Order(**json.loads(line))


if __name__ == "__main__":
    made = [Template(seed) for seed in range(TEMPLATES)]
    for each in orders():
        print(json.dumps(asdict(asyncio.run(send(each, made)))), flush=True)
