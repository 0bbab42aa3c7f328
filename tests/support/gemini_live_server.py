"""A server that speaks the Live API's protocol, BidiGenerateContent, over a WebSocket with TLS; a script says what.

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.content(modelTurn=text("Hello"), turnComplete=True)

    async with live_server(script) as server, ...:
        client = server.client()

The client is google-genai's own. When the script returns, the server goes on reading until the client leaves.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import trustme
from google import genai
from google.genai import types
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

VERTEX = "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"
_PATH = re.compile(
    r"/ws/google\.(ai\.generativelanguage\.v1(alpha|beta)?\.GenerativeService\.BidiGenerateContent"
    r"|cloud\.aiplatform\.v1(beta1)?\.LlmBidiService/BidiGenerateContent)"
)


@dataclass
class Talk:
    """One connection, as the server sees it."""

    wire: ServerConnection
    setup: dict[str, Any]
    received: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, **message: Any) -> None:
        """Send one message: `toolCall={...}`."""
        await self.wire.send(json.dumps(message))

    async def content(self, *, usage: dict[str, Any] | None = None, **fields: Any) -> None:
        """Send `serverContent`, with `usageMetadata` beside it if there is any."""
        await self.say(serverContent=fields, **({"usageMetadata": usage} if usage else {}))

    async def next(self) -> dict[str, Any]:
        """Wait for one message of the client's; its names are those of the protocol, however the client spells them."""
        message = _camels(json.loads(await self.wire.recv()))
        assert isinstance(message, dict)
        assert len(message) == 1, message
        self.received.append(message)
        return message

    async def heard(self, kind: str, *, count: int = 1, having: str = "") -> Any:
        """Wait for so many messages of a kind, with a field if one is named; return the last."""
        found = None
        while count:
            message = await self.next()
            if kind in message and (not having or having in message[kind]):
                found, count = message[kind], count - 1
        return found

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        await self.wire.close(code, reason)


Script = Callable[[Talk], Awaitable[None]]


@dataclass
class LiveServer:
    """A running server."""

    port: int
    talks: list[Talk] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def client(self, **options: Any) -> genai.Client:
        """Return google-genai's client, pointed here."""
        http = types.HttpOptions(
            base_url=f"https://localhost:{self.port}", async_client_args={"ssl": _contexts()[1]}, **options
        )
        return genai.Client(api_key="test-key", vertexai=False, http_options=http)

    def vertex_client(self) -> genai.Client:
        """Return the same client, as for Vertex AI."""
        http = types.HttpOptions(
            base_url=f"wss://localhost:{self.port}{VERTEX}", async_client_args={"ssl": _contexts()[1]}
        )
        return genai.Client(vertexai=True, http_options=http)


@contextlib.asynccontextmanager
async def live_server(script: Script, *, refusal: tuple[int, str] | None = None) -> AsyncIterator[LiveServer]:
    """Serve on a port of its own until the block ends; a script that fails, fails the block.

    Args:
        script: what to say on each connection, from after `setupComplete`.
        refusal: code and reason with which a connection is closed in answer to its setup.
    """
    server = LiveServer(port=0)

    async def handle(wire: ServerConnection) -> None:
        request = wire.request
        assert request is not None
        assert _PATH.fullmatch(request.path), request.path
        talk = Talk(wire, _camels(json.loads(await wire.recv()))["setup"])
        if refusal is not None:
            await wire.close(*refusal)
            return
        server.talks.append(talk)
        await talk.say(setupComplete={"sessionId": f"live-{len(server.talks)}"})
        try:
            await script(talk)
            while True:
                await talk.next()
        except ConnectionClosed:
            pass
        except BaseException as failure:
            server.failures.append(failure)
            raise

    async with serve(handle, "127.0.0.1", 0, ssl=_contexts()[0], close_timeout=2) as listening:
        server.port = next(iter(listening.sockets)).getsockname()[1]
        yield server
    assert not server.failures, server.failures


# What the server says.


def text(*texts: str, thought: bool = False) -> dict[str, Any]:
    """Return a model turn in writing."""
    return {"role": "model", "parts": [{"text": each, **({"thought": True} if thought else {})} for each in texts]}


def sound(milliseconds: int, *, rate: int = 24_000) -> dict[str, Any]:
    """Return a model turn aloud: silence, 16 bits a sample."""
    silence = base64.b64encode(bytes(2 * rate * milliseconds // 1000)).decode()
    return {"role": "model", "parts": [{"inlineData": {"mimeType": f"audio/pcm;rate={rate}", "data": silence}}]}


def words(said: str, *, finished: bool | None = None) -> dict[str, Any]:
    """Return a piece of a transcript."""
    return {"text": said} if finished is None else {"text": said, "finished": finished}


def usage(prompt: int, response: int, **more: Any) -> dict[str, Any]:
    """Return `usageMetadata`."""
    total = prompt + response
    return {"promptTokenCount": prompt, "responseTokenCount": response, "totalTokenCount": total, **more}


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's TLS and the client's, which trusts it."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


def _camels(value: Any) -> Any:
    """Return JSON with its names in camel case, as the protocol has them: protobuf's JSON takes either."""
    if isinstance(value, list):
        return [_camels(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, each in value.items():
        first, *rest = name.split("_")
        camel = first + "".join(word.capitalize() for word in rest)
        found[camel] = each if camel in {"response", "args"} else _camels(each)
    return found
