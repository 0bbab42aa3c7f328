"""Connections are bounded in number, in time and in what they send ahead; nobody holds one for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from collector.receive.connections import BoundedProtocol, Bounds

BOUNDS = Bounds(connections=5, request_seconds=0.6, head_seconds=0.3, idle_seconds=0.5)
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body, after a while if asked; at once to who is unwelcome."""
    request = Request(scope, receive)
    if request.headers.get("unwelcome"):
        await PlainTextResponse("no", 401)(scope, receive, send)
        return
    with contextlib.suppress(ClientDisconnect):
        body = await request.body()
        await asyncio.sleep(float(request.headers.get("sleep", 0)))
        await PlainTextResponse(str(len(body)))(scope, receive, send)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take an open one."""
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def closed(self) -> float:
        """Return after how many seconds the other side hung up."""
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while await self.reader.read(1000):
                    pass
        return time.monotonic() - begun


@pytest.fixture
async def opened() -> AsyncIterator[Any]:
    """Serve, and open connections; whatever stays open is closed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        protocol: Any = partial(BoundedProtocol, BOUNDS)
        config = uvicorn.Config(app, log_config=None, lifespan="off", http=protocol, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - all uvicorn offers
            await asyncio.sleep(0.01)
        clients: list[Client] = []

        async def connect() -> Client:
            clients.append(Client(*await asyncio.open_connection(*listener.getsockname())))
            return clients[-1]

        yield connect
        for client in clients:
            client.writer.close()
        server.should_exit = True
        await serving


async def test_requests_pass(opened: Any) -> None:
    """One connection serves many requests, one after the other or sent ahead, with pauses."""
    client = await opened()
    for size in (0, 10, 500_000):
        client.send(POST % size + bytes(size))
        assert await client.answer() == (200, b"%d" % size)
        await asyncio.sleep(0.3)
    client.send((POST % 3 + b"abc") * 20)
    for _ in range(20):
        assert await client.answer() == (200, b"3")


async def test_an_answer_takes_as_long_as_it_takes(opened: Any) -> None:
    """The times are for requests: one that has arrived is not cut off while it is worked on."""
    client = await opened()
    client.send(b"GET / HTTP/1.1\r\nhost: x\r\nsleep: 1.2\r\n\r\n")
    assert await client.answer() == (200, b"0")


async def test_who_says_nothing_is_closed(opened: Any) -> None:
    """A connection that never sends a byte, or no more after a request."""
    fresh, used = await opened(), await opened()
    used.send(POST % 0)
    await used.answer()
    took = await asyncio.gather(fresh.closed(), used.closed())
    assert all(0.3 < each < 3 for each in took), took


@pytest.mark.parametrize("sent", [b"P", b"POST / HTTP/1.1\r\n", b"\r\n", POST[:-4] % 5])
async def test_who_does_not_finish_the_head_is_closed(opened: Any, sent: bytes) -> None:
    """Half a head, dribbled on for as long as they like."""
    client = await opened()

    async def dribble() -> None:
        while True:
            client.send(sent[:1] if sent != b"\r\n" else sent)
            await asyncio.sleep(0.05)

    client.send(sent)
    task = asyncio.create_task(dribble())
    assert await client.closed() < 3
    task.cancel()


async def test_who_does_not_finish_the_body_is_closed(opened: Any) -> None:
    """A body promised and dribbled."""
    client = await opened()
    client.send(POST % 1000)
    begun = time.monotonic()
    while not client.reader.at_eof() and time.monotonic() - begun < 5:
        client.send(b"x")
        await asyncio.sleep(0.05)
    assert 0.4 < time.monotonic() - begun < 3


async def test_a_body_nobody_reads_is_bounded_too(opened: Any) -> None:
    """Who was refused at once cannot go on sending for ever."""
    client = await opened()
    client.send(b"POST / HTTP/1.1\r\nhost: x\r\nunwelcome: 1\r\ncontent-length: 1000\r\n\r\n")
    assert (await client.answer())[0] == 401
    begun = time.monotonic()
    while not client.reader.at_eof() and time.monotonic() - begun < 5:
        client.send(b"x")
        await asyncio.sleep(0.05)
    assert time.monotonic() - begun < 3


async def test_a_refused_body_that_ends_leaves_the_connection_good(opened: Any) -> None:
    """Who was refused at once and sends all of it may send the next one."""
    client = await opened()
    client.send(b"POST / HTTP/1.1\r\nhost: x\r\nunwelcome: 1\r\ncontent-length: 3\r\n\r\n")
    assert (await client.answer())[0] == 401
    client.send(b"abc" + POST % 4 + b"abcd")
    assert await client.answer() == (200, b"4")
    assert 0.3 < await client.closed() < 3


async def test_a_head_has_an_end(opened: Any) -> None:
    """Headers beyond 64 KiB close the connection, in one piece or many."""
    for piece in (70_000, 1000):
        client = await opened()
        client.send(b"GET / HTTP/1.1\r\nhost: x\r\n")
        for number in range(100_000 // piece + 1):
            client.send(b"h%d: %s\r\n" % (number, b"x" * piece))
            await asyncio.sleep(0)
        assert await client.closed() < 0.25


async def test_requests_sent_ahead_have_an_end(opened: Any) -> None:
    """Hundreds of requests sent before the first is answered close the connection."""
    client = await opened()
    client.send(b"GET / HTTP/1.1\r\nhost: x\r\nsleep: 5\r\n\r\n" + b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 500)
    assert await client.closed() < 2


async def test_connections_have_a_number(opened: Any) -> None:
    """One too many is told to come again; when another leaves there is room."""
    clients = [await opened() for _ in range(5)]
    await asyncio.sleep(0.05)
    extra = await opened()
    assert (await extra.answer())[0] == 503
    assert await extra.closed() < 1
    clients[0].writer.close()
    await asyncio.sleep(0.05)
    another = await opened()
    another.send(POST % 0)
    assert await another.answer() == (200, b"0")
