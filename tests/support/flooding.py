"""More than a collector can take: large bodies, slow bodies, many connections, over both protocols."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
from otlp_builders import span, traces

Sender = Callable[[], Awaitable[None]]
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# For a collector that loads nothing meanwhile: what ClickHouse needs for an insert is another bound.
UNLOADED = ("--batch-seconds", "3600", "--batch-items", "1000000000", "--batch-bytes", "1000000000000")


def body_of(size: int) -> bytes:
    """Make a traces request of about `size` bytes in spans of 1 kB."""
    one = span("flood", {"text": "x" * 900})
    return traces(*[one] * max(1, size // (one.ByteSize() + 3))).SerializeToString()


def rss(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@contextlib.contextmanager
def watching(pid: int) -> Iterator[Callable[[], int]]:
    """Look at the memory of a process every 10 ms; what is given returns the most there was."""
    seen, over = [rss(pid)], threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            seen.append(rss(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: max(seen)
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Hang up at the end; that the other side did so first is no fault."""
    try:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            yield
    finally:
        writer.transport.abort()  # what is buffered is not sent any more


@dataclass
class Flood:
    """Senders that never let up. `outcomes` counts HTTP statuses and gRPC codes."""

    http: str
    grpc: str
    headers: dict[str, str]
    outcomes: Counter[str] = field(default_factory=Counter)

    async def large(self, body: bytes, *, packed: bool) -> None:
        """Send a large body over and over on one HTTP connection."""
        encoding = {"content-encoding": "gzip"} if packed else {}
        wire = gzip.compress(body, 1) if packed else body
        while True:
            reader, writer = await self._connect()
            with closing(writer):
                while True:
                    self._head(writer, len(wire), encoding)
                    writer.write(wire)
                    await writer.drain()
                    self.outcomes[await self._status(reader)] += 1

    async def slow(self, size: int) -> None:
        """Promise a large body, send a little now and then."""
        while True:
            reader, writer = await self._connect()
            with closing(writer):
                self._head(writer, size, {})
                answer = asyncio.create_task(self._status(reader))
                try:
                    while not answer.done():
                        writer.write(b"\x0a" * 100)
                        await writer.drain()
                        await asyncio.sleep(0.05)
                    self.outcomes[f"slow {answer.result()}"] += 1
                finally:
                    answer.cancel()

    async def idle(self) -> None:
        """Hold a connection with half a head."""
        while True:
            _, writer = await self._connect()
            with closing(writer):
                writer.write(b"POST /v1/traces HTTP/1.1\r\n")
                await writer.drain()
                await asyncio.sleep(3600)

    async def calls(self, body: bytes, at_once: int) -> None:
        """Make gRPC calls with a large message, many at once on one connection."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.grpc, options=options) as channel:
            export = channel.unary_unary(EXPORT)

            async def call() -> None:
                while True:
                    try:
                        await export(body, timeout=30, metadata=tuple(self.headers.items()))
                        self.outcomes["grpc OK"] += 1
                    except grpc.aio.AioRpcError as error:
                        self.outcomes[f"grpc {error.code().name}"] += 1
                        await asyncio.sleep(0.01)

            await asyncio.gather(*(call() for _ in range(at_once)))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.http.rsplit(":", 1)
        while True:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, int(port))
            await asyncio.sleep(0.05)

    def _head(self, writer: asyncio.StreamWriter, size: int, more: dict[str, str]) -> None:
        fields = {"host": "x", "content-type": "application/x-protobuf", "content-length": str(size)}
        lines = [f"{name}: {value}\r\n" for name, value in (fields | self.headers | more).items()]
        writer.write(("POST /v1/traces HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode())

    async def _status(self, reader: asyncio.StreamReader) -> str:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        return head[9:12].decode()

    def everything(self, body: bytes, connections: int) -> list[Sender]:
        """Return senders of every kind: most of them large bodies, a few slow, some that hold half a head."""
        large = connections // 2
        return [
            *[partial(self.large, body, packed=False)] * large,
            *[partial(self.large, body, packed=True)] * (connections // 8),
            *[partial(self.slow, len(body))] * (connections // 8),
            *[self.idle] * (connections // 2),
            *[partial(self.calls, body, connections // 8)] * 2,
        ]


async def during(seconds: float, *senders: Sender) -> None:
    """Let senders loose for a while."""
    tasks = [asyncio.ensure_future(sender()) for sender in senders]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task.done():
            task.result()  # a fault of the flood itself
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class FloodProcess:
    """A flood in a process of its own, so that who sends it is not held up by it."""

    def __init__(self, http: str, grpc_address: str, key: str, size: int, connections: int) -> None:
        """Begin; it runs when this returns."""
        command = [sys.executable, __file__, http, grpc_address, key, str(size), str(connections)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "flooding\n"

    def stop(self) -> dict[str, int]:
        """End it; return what became of its requests."""
        outcomes: dict[str, int] = json.loads(self._process.communicate("stop\n", timeout=60)[0])
        return outcomes


async def _main(http: str, grpc_address: str, key: str, size: str, connections: str) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    flood, body = Flood(http, grpc_address, headers), body_of(int(size))

    async def until_told() -> None:
        await asyncio.to_thread(sys.stdin.readline)
        raise EOFError

    print("flooding", flush=True)
    with contextlib.suppress(EOFError):
        await during(3600, until_told, *flood.everything(body, int(connections)))
    print(json.dumps(flood.outcomes))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
