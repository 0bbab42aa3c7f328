"""A server that speaks OpenAI's Realtime protocol (GA), for the real client: what it says is scripted.

    with serving() as server:
        server.answers.append(Answer(spoken="It is sunny.", sound=48_000))
        client = AsyncOpenAI(api_key="key", websocket_base_url=server.url, base_url=server.url)

It has the parts of the real one that matter here: sessions with their configuration, an input buffer that is committed
by hand or by voice activity (a chunk that is not all zeros is speech), transcription, responses that are streamed, can
be cancelled and are interrupted by speech, function calls, usage, errors. Every event it sends is checked against the
client's own types, every event it gets too.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Event = dict[str, Any]

_FROM_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
_FROM_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
_BYTES_PER_MS = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}
USAGE: Event = {
    "total_tokens": 150,
    "input_tokens": 120,
    "output_tokens": 30,
    "input_token_details": {
        "text_tokens": 40,
        "audio_tokens": 80,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 32, "audio_tokens": 32},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 20},
}


@dataclass
class Call:
    """A call of a function the model wants; `complete` is False where it is interrupted."""

    name: str
    arguments: str
    call_id: str = "call_1"
    complete: bool = True


@dataclass
class ServerCall:
    """A call the server makes of an MCP tool."""

    name: str
    arguments: str
    output: str | None = None
    problem: str | None = None


@dataclass
class Answer:
    """What the model answers next.

    Attributes:
        written: text, word by word.
        spoken: what it says aloud, word by word, with `sound` bytes in as many chunks.
        calls: functions it wants called, or tools the server calls.
        stays: it does not end by itself: somebody has to interrupt or cancel it.
        breaks: the connection breaks in the middle, without a closing handshake.
        failed: the error it fails with.
        incomplete: the reason it is cut: `max_output_tokens`, `content_filter`.
        queued: seconds before it is begun.
        pause: seconds before the first delta.
    """

    written: str = ""
    spoken: str = ""
    sound: int = 0
    calls: list[Call | ServerCall] = field(default_factory=list)
    stays: bool = False
    breaks: bool = False
    failed: Event | None = None
    incomplete: str = ""
    queued: float = 0
    pause: float = 0


@dataclass
class RealtimeServer:
    """What the server does, and what it has heard.

    Attributes:
        url: the base for the client, `ws://...`.
        answers: one for each response; without one it says "Yes.".
        transcripts: one for each turn; None where transcribing it fails.
        got: every event of every client, in order.
        asked: the path of each connection.
        faults: what went wrong in here.
    """

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    transcripts: list[str | None] = field(default_factory=list)
    got: list[Event] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)

    def types(self) -> list[str]:
        """Return the types of the events it got."""
        return [event["type"] for event in self.got]

    async def handle(self, connection: ServerConnection) -> None:
        """Talk with one client."""
        assert connection.request is not None
        self.asked.append(connection.request.path)
        conversation = Conversation(self, connection)
        self.conversations.append(conversation)
        try:
            await conversation.run()
        except* ConnectionClosed:
            pass
        except* Exception as errors:  # noqa: BLE001  shown at the end of the test
            self.faults.append(repr(errors))


class Conversation:
    """One connection."""

    def __init__(self, server: RealtimeServer, connection: ServerConnection) -> None:
        self.server, self.connection = server, connection
        self._ids = itertools.count(1)
        self._responding: asyncio.Task[None] | None = None
        self._reason = ""
        self._written_bytes = self._speech_from = 0
        self._speaking = ""
        self._buffer = 0
        self.session: Event = {
            "id": "sess_1",
            "object": "realtime.session",
            "type": "realtime",
            "model": "gpt-realtime-2025-08-28",
            "output_modalities": ["audio"],
            "instructions": "The server's own.",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "turn_detection": None,
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
            },
        }

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event, if the client's types know it."""
        event = {"type": kind, "event_id": f"event_{next(self._ids)}", **fields}
        _FROM_SERVER.validate_python(event)
        await self.connection.send(json.dumps(event))

    async def run(self) -> None:
        """Answer what the client sends until it leaves."""
        await self.send("session.created", session=self.session)
        async with asyncio.TaskGroup() as group:
            async for data in self.connection:
                try:
                    event = json.loads(data)
                    _FROM_CLIENT.validate_python(event)
                except (ValueError, ValidationError) as error:
                    await self._problem("invalid_event", str(error))
                    continue
                self.server.got.append(event)
                await self._hear(event, group)
            if self._responding is not None:
                self._responding.cancel()

    async def _hear(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event["type"]:
            case "session.update":
                _merge(self.session, event["session"])
                await self.send("session.updated", session=self.session)
            case "input_audio_buffer.append":
                await self._append(base64.b64decode(event["audio"], validate=True), group)
            case "input_audio_buffer.commit" if not self._buffer:
                await self._problem("input_audio_buffer_commit_empty", "buffer too small")
            case "input_audio_buffer.commit":
                await self._commit(f"item_{next(self._ids)}")
            case "input_audio_buffer.clear":
                self._buffer = 0
                await self.send("input_audio_buffer.cleared")
            case "conversation.item.create":
                item = {"id": f"item_{next(self._ids)}", "object": "realtime.item", **event["item"]}
                await self.send("conversation.item.added", item=item, previous_item_id=None)
                await self.send("conversation.item.done", item=item, previous_item_id=None)
            case "conversation.item.truncate":
                fields = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
                await self.send("conversation.item.truncated", **fields)
            case "response.create":
                self._respond(group)
            case "response.cancel":
                await self._cancel("client_cancelled")

    async def _problem(self, code: str, message: str) -> None:
        problem = {"type": "invalid_request_error", "code": code, "message": message}
        await self.send("error", error=problem)

    # Sound that comes in.

    def _ms(self, size: int) -> int:
        return size // _BYTES_PER_MS[self.session["audio"]["input"]["format"]["type"]]

    async def _append(self, sound: bytes, group: asyncio.TaskGroup) -> None:
        before = self._written_bytes
        self._written_bytes += len(sound)
        self._buffer += len(sound)
        if not self.session["audio"]["input"]["turn_detection"]:
            return
        if any(sound) and not self._speaking:
            self._speaking, self._speech_from = f"item_{next(self._ids)}", before
            await self.send(
                "input_audio_buffer.speech_started", item_id=self._speaking, audio_start_ms=self._ms(before)
            )
            await self._cancel("turn_detected")
        elif self._speaking and not any(sound):
            item_id, self._speaking = self._speaking, ""
            await self.send("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=self._ms(before))
            await self._commit(item_id)
            self._respond(group)

    async def _commit(self, item_id: str) -> None:
        self._buffer = 0
        await self.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        if not self.session["audio"]["input"]["transcription"]:
            return
        about = {"item_id": item_id, "content_index": 0}
        transcript = self.server.transcripts.pop(0) if self.server.transcripts else "Hello."
        if transcript is None:
            problem = {"type": "transcription_error", "code": "audio_unintelligible", "message": "not understood"}
            await self.send("conversation.item.input_audio_transcription.failed", **about, error=problem)
            return
        completed = "conversation.item.input_audio_transcription.completed"
        await self.send(completed, **about, transcript=transcript, usage={"type": "duration", "seconds": 1})

    # Responses that go out.

    def _respond(self, group: asyncio.TaskGroup) -> None:
        answer = self.server.answers.pop(0) if self.server.answers else Answer(written="Yes.")
        self._responding = group.create_task(self._response(answer))

    async def _cancel(self, reason: str) -> None:
        if self._responding is None or self._responding.done():
            if reason == "client_cancelled":
                await self._problem("response_cancel_not_active", "no active response found")
            return
        self._reason = reason
        self._responding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._responding

    async def _response(self, answer: Answer) -> None:
        await asyncio.sleep(answer.queued)
        whole: Event = {
            "id": f"resp_{next(self._ids)}",
            "object": "realtime.response",
            "output": [],
            "status": "in_progress",
        }
        await self.send("response.created", response=whole)
        status, reason = "completed", ""
        try:
            await asyncio.sleep(answer.pause)
            await self._fill(answer, whole)
            if answer.stays:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not self._reason:
                raise
            status, reason, self._reason = "cancelled", self._reason, ""
            for item in whole["output"]:
                item["status"] = "incomplete"
        details: Event = {"type": status}
        if answer.incomplete:
            status, details = "incomplete", {"type": "incomplete", "reason": answer.incomplete}
        elif answer.failed:
            status, details = "failed", {"type": "failed", "error": answer.failed}
        elif reason:
            details["reason"] = reason
        whole |= {"status": status, "status_details": details, "usage": USAGE, "audio": {"output": self._spoken_as()}}
        await self.send("response.done", response=whole)
        await self.send("rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 9, "remaining": 8}])

    def _spoken_as(self) -> Event:
        output = self.session["audio"]["output"]
        return {"format": output["format"], "voice": output["voice"]}

    async def _fill(self, answer: Answer, whole: Event) -> None:
        if answer.written or answer.spoken:
            await self._message(answer, whole)
        for call in answer.calls:
            if isinstance(call, Call):
                await self._call(call, whole)
            else:
                await self._server_call(call, whole)

    async def _message(self, answer: Answer, whole: Event) -> None:
        item: Event = {"id": f"item_{next(self._ids)}", "type": "message", "role": "assistant", "content": []}
        item["status"] = "in_progress"
        whole["output"].append(item)
        of = {"response_id": whole["id"], "output_index": 0}
        await self.send("response.output_item.added", **of, item=item)
        part = {**of, "item_id": item["id"], "content_index": 0}
        if answer.written:
            item["content"].append({"type": "output_text", "text": answer.written})
            for word in _words(answer.written):
                await self.send("response.output_text.delta", **part, delta=word)
            await self.send("response.output_text.done", **part, text=answer.written)
        else:
            item["content"].append({"type": "output_audio", "transcript": answer.spoken})
            await self._speak(answer, part)
        item["status"] = "completed"
        await self.send("response.output_item.done", **of, item=item)

    async def _speak(self, answer: Answer, part: Event) -> None:
        words = _words(answer.spoken)
        sizes = [answer.sound // len(words)] * (len(words) - 1)
        for word, size in zip(words, [*sizes, answer.sound - sum(sizes)], strict=True):
            await self.send("response.output_audio_transcript.delta", **part, delta=word)
            if size:
                delta = base64.b64encode(bytes(size)).decode()
                await self.send("response.output_audio.delta", **part, delta=delta)
            if answer.breaks:
                self.connection.transport.abort()
                await self.connection.wait_closed()
        if answer.stays:
            await asyncio.Event().wait()
        await self.send("response.output_audio.done", **part)
        await self.send("response.output_audio_transcript.done", **part, transcript=answer.spoken)

    async def _call(self, call: Call, whole: Event) -> None:
        item = {
            "id": f"item_{next(self._ids)}",
            "type": "function_call",
            "status": "completed" if call.complete else "incomplete",
            "name": call.name,
            "call_id": call.call_id,
            "arguments": call.arguments,
        }
        whole["output"].append(item)
        of = {"response_id": whole["id"], "output_index": 1}
        added = {**item, "status": "in_progress", "arguments": ""}
        await self.send("response.output_item.added", **of, item=added)
        said = {"item_id": item["id"], "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
        await self.send("response.function_call_arguments.done", **of, **said)
        await self.send("response.output_item.done", **of, item=item)

    async def _server_call(self, call: ServerCall, whole: Event) -> None:
        item: Event = {
            "id": f"mcp_{next(self._ids)}",
            "type": "mcp_call",
            "server_label": "shop",
            "name": call.name,
            "arguments": call.arguments,
            "output": call.output,
        }
        if call.problem is not None:
            item["error"] = {"type": "tool_execution_error", "message": call.problem}
        whole["output"].append(item)
        await self.send("response.output_item.done", response_id=whole["id"], output_index=1, item=item)


def _words(text: str) -> list[str]:
    """Return a text in the pieces it is streamed in."""
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]


def _merge(into: Event, update: Event) -> None:
    for name, value in update.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


@contextlib.contextmanager
def serving() -> Iterator[RealtimeServer]:
    """Serve on a port of its own, in a thread with a loop of its own: clients may block theirs."""
    server, ready = RealtimeServer(), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with serve(server.handle, "127.0.0.1", 0, max_size=None) as listening:
            server.url = f"ws://127.0.0.1:{_port(listening)}/v1"
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="realtime-server")
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
    assert not server.faults, server.faults


def _port(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port
