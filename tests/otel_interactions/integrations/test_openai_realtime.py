"""What is said over OpenAI's Realtime API becomes interactions: the real client, a server that speaks the protocol."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import dataclasses
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI, OpenAIError
from openai.resources.realtime.realtime import AsyncRealtimeConnection, RealtimeConnection
from openai.types.realtime import (
    ConversationItemCreateEvent,
    RealtimeErrorEvent,
    ResponseCreateEvent,
    ResponseDoneEvent,
    SessionCreatedEvent,
)
from openai_realtime_server import Answer, Call, RealtimeServer, ServerCall, serving
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

import otel_interactions as oi
from otel_interactions.integrations.openai_realtime import record
from otel_interactions.integrations.openai_realtime_listener import Listener
from otel_interactions.integrations.openai_realtime_parts import MOST, decoded_size
from otel_interactions.recorder import install, installed
from otel_interactions.testing import Captured, Interaction, captured

MODEL = "gpt-realtime"
SERVED = "gpt-realtime-2025-08-28"
TEXT: Any = {"type": "realtime", "output_modalities": ["text"]}
TALK: Any = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}},
        "output": {"voice": "cedar"},
    },
}
BY_HAND: Any = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}},
}
SECOND = 48_000  # bytes of 16 bit at 24 kHz


@pytest.fixture
def realtime() -> Iterator[RealtimeServer]:
    """A server of the protocol."""
    with serving() as server:
        yield server


@pytest.fixture
async def client(realtime: RealtimeServer) -> AsyncIterator[AsyncOpenAI]:
    """The real client, pointed at it."""
    async with AsyncOpenAI(api_key="key", base_url=realtime.url, websocket_base_url=realtime.url) as made:
        yield made


@pytest.fixture
def sync_client(realtime: RealtimeServer) -> Iterator[OpenAI]:
    """The real client that blocks."""
    with OpenAI(api_key="key", base_url=realtime.url, websocket_base_url=realtime.url) as made:
        yield made


def sound(size: int, *, speech: bool = True) -> str:
    """Return so many bytes of sound, as base64."""
    return base64.b64encode((b"\1" if speech else b"\0") * size).decode()


def written(text: str) -> Any:
    """Return what a user writes, as an item."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def heard(connection: AsyncRealtimeConnection, kind: str) -> Any:
    """Receive until there is an event of a type."""
    async with asyncio.timeout(10):
        while True:
            event = await connection.recv()
            if event.type == kind:
                return event


async def ask(connection: AsyncRealtimeConnection, text: str = "Hello") -> Any:
    """Write something, and wait for the answer."""
    await connection.conversation.item.create(item=written(text))
    await connection.response.create()
    return await heard(connection, "response.done")


def the(found: Interaction, *names: str) -> list[Any]:
    """Return attributes by the ends of their names."""
    return [next((value for key, value in found.attributes.items() if key.endswith(name)), None) for name in names]


def reason(seen: Captured) -> Any:
    """Return why the session ended."""
    return seen.one("session_end").attributes["interaction.session.end_reason"]


# What is written.


async def test_text(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """A session, what the user wrote, what the model answered with its tokens; the client gets it all."""
    realtime.answers.append(Answer(written="It is sunny in Paris."))
    async with record(client.realtime.connect(model=MODEL), id="s", user_id="u-1") as connection:
        await connection.session.update(session=TEXT | {"instructions": "Be brief."})
        done = await ask(connection, "How is the weather?")
    assert isinstance(done, ResponseDoneEvent)
    assert realtime.asked == ["/v1/realtime?model=gpt-realtime"]
    assert realtime.types() == ["session.update", "conversation.item.create", "response.create"]

    assert seen.types() == ["session_start", "user_message", "generation", "session_end"]
    start, message, answer, _end = seen.interactions
    assert the(start, "session.mode", "request.model", "session.voice") == ["text", MODEL, None]
    assert message.text == "How is the weather?"
    assert answer.text == "It is sunny in Paris."
    assert the(answer, "usage.input_tokens", "usage.output_tokens", "cache_read.input_tokens") == [120, 30, 64]
    assert the(answer, "audio.input_tokens", "audio.output_tokens", "audio.cached_tokens") == [80, 20, 32]
    assert the(answer, "provider.name", "operation.name", "response.id")[:2] == ["openai", "chat"]
    assert the(answer, "response.id") == [done.response.id]
    assert the(answer, "request.model", "response.model", "finish_reasons") == [MODEL, SERVED, ("stop",)]
    assert the(answer, "system_instructions") == ['[{"type":"text","content":"Be brief."}]']
    assert {(each.session_id, each.user_id) for each in seen.interactions} == {("s", "u-1")}
    assert not any(each.failed for each in seen.interactions)
    assert reason(seen) == "completed"


async def test_times(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """An answer takes as long as from the request to its end; the first delta has its time."""
    recorder = installed()
    assert recorder is not None
    install(dataclasses.replace(recorder, clock=time.time_ns))
    realtime.answers.append(Answer(written="At last.", queued=0.2, pause=0.1))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await ask(connection)
    answer = seen.one("generation")
    first, whole = the(answer, "time_to_first_chunk", "response_time_ms")
    assert 0.3 <= first < 3
    assert 300 <= whole < 3000
    assert whole >= first * 1000


async def test_more_than_one_part(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Texts, pictures and clips of one message of the user's; history of other roles is nobody's message."""
    parts = [{"type": "input_text", "text": text} for text in ("one", "two")]
    clip = {"type": "input_audio", "audio": sound(SECOND // 2), "transcript": "three"}
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    items: list[Any] = [
        {"type": "message", "role": "user", "content": [*parts, clip]},
        {"type": "message", "role": "user", "content": [clip]},
        {"type": "message", "role": "user", "content": [picture]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "nobody's"}]},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "nobody's"}]},
    ]
    async with record(client.realtime.connect(model=MODEL)) as connection:
        for item in items:
            await connection.conversation.item.create(item=item)
        await ask(connection, "four")
    assert realtime.types().count("error") == 0
    assert [each.text for each in seen.of_type("user_message")] == ["one\ntwo", "", "four"]
    assert [the(each, "audio.bytes", "audio.duration_ms") for each in seen.of_type("audio_input")] == [
        [24_000, 500.0]
    ] * 2
    assert {each.text for each in seen.of_type("audio_input")} == {"three"}


# What is said.


async def test_voice(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Turns the server finds: as long as the speech, silence not counted, with transcripts; the answer likewise."""
    realtime.transcripts.append("Where is my parcel?")
    realtime.answers.append(Answer(spoken="It arrives today.", sound=3 * SECOND // 2))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=TALK)
        for chunk in (sound(SECOND * 5, speech=False), sound(SECOND // 2), sound(SECOND // 2), sound(8, speech=False)):
            await connection.input_audio_buffer.append(audio=chunk)
        await heard(connection, "response.done")
    assert seen.types() == ["session_start", "audio_input", "audio_output", "generation", "session_end"]
    start, said, spoken, answer, _end = seen.interactions
    assert the(start, "session.mode", "session.voice", "request.model") == ["voice", "cedar", MODEL]
    assert the(said, "audio.bytes", "audio.duration_ms", "audio.mime_type") == [SECOND, 1000.0, "audio/pcm"]
    assert said.text == "Where is my parcel?"
    assert the(spoken, "audio.bytes", "audio.duration_ms", "audio.mime_type") == [3 * SECOND // 2, 1500.0, "audio/pcm"]
    assert (spoken.text, spoken.parent_id) == ("It arrives today.", answer.span_id)
    assert answer.text == "It arrives today."
    assert the(answer, "usage.input_tokens") == [120]
    assert the(spoken, "usage.input_tokens") == [None]
    assert said.start_ns < answer.start_ns
    assert "AAAA" not in repr(seen.spans[0].attributes) + repr([each.attributes for each in seen.interactions])


async def test_turns_committed_by_hand(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """A turn is what was sent up to its commit, however late that is confirmed; what was cleared is part of none."""
    realtime.transcripts += ["first", "second"]
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=BY_HAND)
        buffer = connection.input_audio_buffer
        await buffer.commit()
        assert (await heard(connection, "error")).error.code == "input_audio_buffer_commit_empty"
        await buffer.append(audio=sound(SECOND * 9))
        await buffer.clear()
        await buffer.append(audio=sound(SECOND))
        await buffer.append(audio=sound(SECOND))
        await buffer.commit()
        await buffer.append(audio=sound(SECOND // 4))
        await heard(connection, "conversation.item.input_audio_transcription.completed")
        await buffer.commit()
        await heard(connection, "conversation.item.input_audio_transcription.completed")
    first, second = seen.of_type("audio_input")
    assert [first.text, *the(first, "audio.bytes", "audio.duration_ms")] == ["first", 2 * SECOND, 2000.0]
    assert [second.text, *the(second, "audio.bytes", "audio.duration_ms")] == ["second", SECOND // 4, 250.0]


async def test_telephone_sound(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """G.711 has 8000 bytes a second, both ways; without transcription a turn is recorded when it is committed."""
    law = {"type": "audio/pcmu"}
    update: Any = {"type": "realtime", "audio": {"input": {"format": law}, "output": {"format": law}}}
    realtime.answers.append(Answer(spoken="Yes.", sound=4000))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=update)
        await connection.input_audio_buffer.append(audio=sound(8000))
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        await heard(connection, "input_audio_buffer.committed")
        assert seen.types() == ["session_start", "audio_input"]
        await heard(connection, "response.done")
    assert the(seen.one("audio_input"), "audio.bytes", "audio.duration_ms", "mime_type") == [8000, 1000.0, "audio/pcmu"]
    assert the(seen.one("audio_output"), "audio.bytes", "audio.duration_ms", "mime_type") == [4000, 500.0, "audio/pcmu"]


async def test_transcription_that_fails(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """The turn is recorded as failed, with what the server says, and with its sound."""
    realtime.transcripts.append(None)
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=BY_HAND)
        await connection.input_audio_buffer.append(audio=sound(SECOND))
        await connection.input_audio_buffer.commit()
        await heard(connection, "conversation.item.input_audio_transcription.failed")
    said = seen.one("audio_input")
    assert said.failed
    assert the(said, "error.type", "exception.message", "audio.bytes") == [
        "audio_unintelligible",
        "not understood",
        SECOND,
    ]


def test_size_of_base64() -> None:
    """The bytes of base64 text are known without decoding it."""
    for size in range(50):
        assert decoded_size(base64.b64encode(bytes(size)).decode()) == size
    assert decoded_size(None) == 0


# Interruptions.


async def test_barge_in(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """The user speaks while an answer is on its way: it was interrupted, and what was heard of it is on record."""
    realtime.answers.append(Answer(spoken="Once upon a time", sound=SECOND, stays=True))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=TALK)
        await connection.response.create()
        delta = await heard(connection, "response.output_audio.delta")
        await connection.input_audio_buffer.append(audio=sound(SECOND))
        done = await heard(connection, "response.done")
        await connection.conversation.item.truncate(item_id=delta.item_id, content_index=0, audio_end_ms=420)
        await heard(connection, "conversation.item.truncated")
    assert done.response.status_details.reason == "turn_detected"
    barged, cut = seen.of_type("event")
    assert the(barged, "category", "interaction.message") == ["calls", "barge-in"]
    assert json.loads(the(barged, "details")[0]) == {"response_id": done.response.id}
    assert the(cut, "interaction.message") == ["truncated"]
    assert json.loads(the(cut, "details")[0]) == {"item_id": delta.item_id, "heard_ms": 420}
    answer = seen.one("generation")
    assert (the(answer, "finish_reasons"), answer.failed) == ([("interrupted",)], False)
    assert answer.text == seen.one("audio_output").text == "Once upon a time"
    assert the(seen.one("audio_output"), "audio.bytes") == [SECOND]


async def test_speech_between_answers_interrupts_nothing(
    seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI
) -> None:
    """Speech while nothing is on its way is no barge-in."""
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=TALK)
        for _ in range(2):
            await connection.input_audio_buffer.append(audio=sound(SECOND))
            await connection.input_audio_buffer.append(audio=sound(SECOND, speech=False))
            await heard(connection, "response.done")
    assert realtime.types().count("input_audio_buffer.append") == 4
    assert len(seen.of_type("audio_input")) == 2
    assert seen.of_type("event") == []


async def test_cancelled_by_the_application(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """An answer the application cancels was cancelled; cancelling none is an error of the server's, not raised."""
    realtime.answers.append(Answer(spoken="Once upon", stays=True))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.response.create()
        await heard(connection, "response.output_audio_transcript.delta")
        await connection.response.cancel()
        await heard(connection, "response.done")
        await connection.response.cancel()
        problem = await heard(connection, "error")
    assert the(seen.one("generation"), "finish_reasons") == [("cancelled",)]
    assert isinstance(problem, RealtimeErrorEvent)
    error = seen.one("error")
    assert the(error, "error.type", "exception.message") == [
        "response_cancel_not_active",
        "no active response found",
    ]
    assert json.loads(the(error, "details")[0])["type"] == "invalid_request_error"
    assert reason(seen) == "completed"


async def test_abandoned(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Whoever stops listening in the middle leaves an answer that was abandoned, with what was heard of it."""
    realtime.answers.append(Answer(spoken="Once upon a time", sound=SECOND, stays=True))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_audio.delta":
                break
    answer = seen.one("generation")
    assert (answer.text, the(answer, "finish_reasons")) == ("Once", [("abandoned",)])
    assert the(seen.one("audio_output"), "audio.bytes") == [SECOND // 4]
    assert seen.types()[-1] == "session_end"
    assert reason(seen) == "completed"


async def test_task_cancelled(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """A task that is cancelled while it waits: its answer and its session were cancelled."""
    realtime.answers.append(Answer(spoken="Once", stays=True))
    begun = asyncio.Event()

    async def talk() -> None:
        async with record(client.realtime.connect(model=MODEL)) as connection:
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_audio_transcript.delta":
                    begun.set()

    task = asyncio.create_task(talk())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert the(seen.one("generation"), "finish_reasons") == [("cancelled",)]
    assert reason(seen) == "cancelled"


# Responses that do not come to their end.


@pytest.mark.parametrize(("cut", "said"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
async def test_incomplete(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI, cut: str, said: str) -> None:
    """An answer that is cut says why, in OpenTelemetry's words."""
    realtime.answers.append(Answer(written="Once", incomplete=cut))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await ask(connection)
    assert the(seen.one("generation"), "finish_reasons") == [(said,)]


async def test_failed(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """An answer that fails is failed, once: it is no error beside."""
    realtime.answers.append(Answer(failed={"type": "server_error", "code": "overloaded", "message": "try later"}))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await ask(connection)
    answer = seen.one("generation")
    assert answer.failed
    assert the(answer, "error.type", "exception.message", "finish_reasons") == ["overloaded", "try later", ("error",)]
    assert seen.of_type("error") == []


# Tools.


@pytest.mark.parametrize(
    "when", ["response.function_call_arguments.done", "response.output_item.done", "response.done"]
)
async def test_tool_call(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI, when: str) -> None:
    """A function call and the output sent for it are one span, whichever event the application acts on."""
    realtime.answers += [Answer(calls=[Call("weather", '{"city": "Paris"}', "call_7")]), Answer(written="Sunny.")]
    output: Any = {"type": "function_call_output", "call_id": "call_7", "output": '{"sky": "blue"}'}
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.conversation.item.create(item=written("How is the weather?"))
        await connection.response.create()
        await heard(connection, when)
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        while (await heard(connection, "response.done")).response.output[0].type == "function_call":
            pass
    call, asking = seen.one("tool_call"), seen.of_type("generation")[0]
    assert the(call, "tool.name", "call.id", "call.arguments", "call.result") == [
        "weather",
        "call_7",
        '{"city": "Paris"}',
        '{"sky": "blue"}',
    ]
    assert call.parent_id == asking.span_id
    assert call.end_ns > call.start_ns
    assert the(asking, "finish_reasons") == [("tool_call",)]
    (message,) = json.loads(the(asking, "output.messages")[0])
    assert message["parts"] == [
        {"type": "tool_call", "id": "call_7", "name": "weather", "arguments": {"city": "Paris"}}
    ]
    assert "tool_response" not in seen.types()


async def test_calls_without_an_output(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """A call nobody answers ends with the session; an interrupted one is none; an output for none stands alone."""
    calls: list[Call | ServerCall] = [Call("open", "{}", "call_1"), Call("half", '{"a', "call_2", complete=False)]
    realtime.answers.append(Answer(calls=calls))
    stray: Any = {"type": "function_call_output", "call_id": "call_9", "output": "late"}
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await ask(connection)
        await connection.conversation.item.create(item=stray)
        assert seen.of_type("tool_call") == []
    assert the(seen.one("tool_call"), "tool.name", "call.result") == ["open", None]
    (message,) = json.loads(the(seen.one("generation"), "output.messages")[0])
    assert [part["name"] for part in message["parts"]] == ["open"]
    assert the(seen.one("tool_response"), "call.id", "call.result") == ["call_9", "late"]


async def test_calls_the_server_makes(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """What the server calls by itself is recorded with its result, or with its failure."""
    calls: list[Call | ServerCall] = [
        ServerCall("find", '{"q": 1}', output="it"),
        ServerCall("buy", "{}", problem="no"),
    ]
    realtime.answers.append(Answer(calls=calls))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await ask(connection)
    found, bought = seen.of_type("tool_call")
    assert the(found, "tool.name", "call.arguments", "call.result") == ["find", '{"q": 1}', "it"]
    assert (the(bought, "exception.message", "call.result"), bought.failed) == (["no", None], True)
    assert the(seen.one("generation"), "finish_reasons") == [("stop",)]


async def test_tools_recorded_by_the_application(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """With `tools=False` the functions are recorded where they are decorated, in the same session."""
    realtime.answers.append(Answer(calls=[Call("weather", "{}")]))

    @oi.tool_call
    def weather() -> str:
        return "sunny"

    async with record(client.realtime.connect(model=MODEL), id="s", tools=False) as connection:
        await ask(connection)
        output: Any = {"type": "function_call_output", "call_id": "call_1", "output": weather()}
        await connection.conversation.item.create(item=output)
    call = seen.one("tool_call")
    assert (call.session_id, the(call, "call.result")) == ("s", ["sunny"])
    assert seen.of_type("tool_response") == []


# The session and the connection.


async def test_a_session_that_is_current(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """What is said joins it, below what was current there; it is neither started nor ended by a connection."""
    del realtime
    async with oi.session("mine", user_id="u"), oi.agent_run("host") as run:
        async with record(client.realtime.connect(model=MODEL), id="other", user_id="nobody") as connection:
            await ask(connection)
        oi.user_message("after")
    assert seen.types() == ["session_start", "user_message", "generation", "user_message", "agent_run", "session_end"]
    assert {(each.session_id, each.user_id) for each in seen.interactions} == {("mine", "u")}
    assert {each.parent_id for each in seen.interactions[1:4]} == {run.span_id}


async def test_session_is_current_in_the_block(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """What the application records in the block is part of the session; nothing is left behind after it."""
    del realtime
    async with record(client.realtime.connect(model=MODEL), id="s") as connection:
        await ask(connection)
        oi.feedback(score=True)
        assert oi.current_session() is not None
    assert oi.current_session() is None
    assert seen.one("feedback").session_id == "s"


async def test_tasks_with_contexts_of_their_own(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Sender and receiver in tasks that know of no session, or of another: all is of the connection's."""
    realtime.answers.append(Answer(spoken="Yes.", sound=SECOND))
    bare, other = contextvars.Context(), contextvars.copy_context()
    foreign = oi.session("foreign")
    other.run(lambda: foreign.active().__enter__())

    async def send(connection: AsyncRealtimeConnection) -> None:
        await connection.session.update(session=TALK)
        await connection.conversation.item.create(item=written("Hello"))
        await connection.input_audio_buffer.append(audio=sound(SECOND))
        await connection.input_audio_buffer.append(audio=sound(SECOND, speech=False))

    async with record(client.realtime.connect(model=MODEL), id="s") as connection:
        receiver = asyncio.create_task(heard(connection, "response.done"), context=other)
        await asyncio.create_task(send(connection), context=bare)
        await receiver
    assert {each.session_id for each in seen.interactions} == {"s"}
    assert len({each.trace_id for each in seen.interactions}) == 1
    assert set(seen.types()) == {
        "session_start",
        "user_message",
        "audio_input",
        "audio_output",
        "generation",
        "session_end",
    }
    assert all(each.links == () for each in seen.interactions)


async def test_start_tells_what_was_agreed_on(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Without an update the session starts as the server has it, as soon as the application waits for more."""
    del realtime
    async with record(client.realtime.connect(model=MODEL), user_id="u") as connection:
        assert seen.types() == []
        assert isinstance(await connection.recv(), SessionCreatedEvent)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.recv()
        assert seen.types() == ["session_start"]
        await connection.session.update(session=TEXT)
        await heard(connection, "session.updated")
    start, changed, _end = seen.interactions
    assert the(start, "session.mode", "session.voice", "request.model") == ["voice", "marin", MODEL]
    assert the(changed, "interaction.message", "session.mode") == ["the mode is text", "text"]


async def test_connection_breaks(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """The application gets the client's own exception; the answer on its way failed, the session was disconnected."""
    realtime.answers.append(Answer(spoken="Once upon a time", sound=SECOND, breaks=True))

    async def talk() -> None:
        async with record(client.realtime.connect(model=MODEL)) as connection:
            await connection.response.create()
            async for _ in connection:
                pass

    with pytest.raises(ConnectionClosedError) as raised:
        await talk()
    assert raised.value.rcvd is None
    answer = seen.one("generation")
    assert (answer.failed, answer.text) == (True, "Once")
    assert the(answer, "error.type") == ["websockets.exceptions.ConnectionClosedError"]
    assert the(seen.one("event"), "interaction.message", "severity") == ["disconnected", "warn"]
    assert json.loads(the(seen.one("event"), "details")[0])["code"] == 1006
    assert seen.types()[-1] == "session_end"
    assert reason(seen) == "disconnected"


async def test_server_hangs_up(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """A server that closes ends iteration and session; what is sent afterwards raises what it raises."""
    async with record(client.realtime.connect(model=MODEL)) as connection:
        kinds = []
        async for event in connection:
            kinds.append(event.type)
            conversation = realtime.conversations[0]
            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(
                    conversation.connection.close(1001, "expired"), conversation.connection.loop
                )
            )
        for _ in range(2):
            with pytest.raises(ConnectionClosedOK):
                await connection.conversation.item.create(item=written("too late"))
            with pytest.raises(ConnectionClosedOK):
                await connection.recv()
    assert kinds == ["session.created"]
    assert seen.types() == ["session_start", "event", "session_end"]
    assert json.loads(the(seen.one("event"), "details")[0]) == {"code": 1001, "reason": "expired"}
    assert reason(seen) == "disconnected"


async def test_sent_while_the_client_connects_again(
    seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI
) -> None:
    """What the client keeps until it is connected again is recorded, in the session it resumes."""
    realtime.answers.append(Answer(spoken="Once upon", breaks=True))
    sending: list[asyncio.Task[None]] = []

    def on_reconnecting(_event: Any) -> None:
        sending.append(asyncio.create_task(connection.conversation.item.create(item=written("kept"))))

    manager = client.realtime.connect(model=MODEL, on_reconnecting=on_reconnecting, initial_delay=0.05)
    async with record(manager) as connection:
        await connection.response.create()
        async for event in connection:
            if event.type == "conversation.item.done":
                break
        await asyncio.gather(*sending)
    assert seen.one("user_message").text == "kept"
    assert len({each.trace_id for each in seen.interactions}) == 1


async def test_client_that_connects_again(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """A client that connects again by itself resumes the session: one trace, ended once for good."""
    realtime.answers += [Answer(spoken="Once upon", breaks=True), Answer(written="again")]
    manager = client.realtime.connect(model=MODEL, on_reconnecting=lambda _event: None, initial_delay=0.01)
    async with record(manager, id="s") as connection:
        await connection.response.create()
        async for event in connection:
            if event.type == "session.created" and len(realtime.asked) == 2:
                await connection.response.create()
            if event.type == "response.done":
                break
    ends = [the(each, "end_reason")[0] for each in seen.of_type("session_end")]
    assert ends == ["disconnected", "completed"]
    first, second = seen.of_type("session_start")
    assert the(first, "resumed") == [None]
    assert the(second, "resumed") == [True]
    assert [each.text for each in seen.of_type("generation")] == ["Once", "again"]
    assert len({each.trace_id for each in seen.interactions}) == 1


async def test_no_connection(seen: Captured) -> None:
    """Where nobody answers the exception is the client's own, and the session an error; one that is current has one."""
    async with AsyncOpenAI(api_key="key", websocket_base_url="ws://127.0.0.1:9/v1") as client:
        with pytest.raises(OSError, match="9"):
            async with record(client.realtime.connect(model=MODEL)):
                pytest.fail("never here")
        assert seen.types() == ["session_start", "session_end"]
        assert reason(seen) == "error"
        assert seen.one("session_end").failed
        async with oi.session("mine"):
            with pytest.raises(OSError, match="9"):
                async with record(client.realtime.connect(model=MODEL)):
                    pytest.fail("never here")
    assert seen.one("error").session_id == "mine"


async def test_exception_in_the_block(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """The application's exception passes as the same object, and is why the session ended."""
    realtime.answers.append(Answer(spoken="Once", stays=True))
    mine = ValueError("mine")

    async def talk() -> None:
        async with record(client.realtime.connect(model=MODEL)) as connection:
            await connection.response.create()
            await heard(connection, "response.output_audio_transcript.delta")
            raise mine

    with pytest.raises(ValueError, match="mine") as raised:
        await talk()
    assert raised.value is mine
    assert (the(seen.one("generation"), "finish_reasons"), seen.one("generation").failed) == ([("abandoned",)], False)
    assert reason(seen) == "error"
    assert the(seen.one("session_end"), "exception.message") == ["mine"]


async def test_enter_and_close(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Without a block the session ends when the connection is closed, by whomever; it is current to nobody."""
    del realtime
    connection = await record(client.realtime.connect(model=MODEL), id="s").enter()
    await ask(connection)
    assert oi.current_session() is None
    await connection.close(code=1000)
    await connection.close()
    assert seen.types() == ["session_start", "user_message", "generation", "session_end"]
    assert reason(seen) == "completed"


# The client, as it is.


async def test_connection_is_the_clients_own(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Typed events, events as JSON, raw bytes: whatever goes through is recorded once, and arrives as it was."""
    async with record(client.realtime.connect(model=MODEL)) as connection:
        assert type(connection) is AsyncRealtimeConnection
        item = ConversationItemCreateEvent.model_validate(
            {"type": "conversation.item.create", "item": written("typed")}
        )
        await connection.send(item)
        await connection.send(event={"type": "conversation.item.create", "item": written("plain")})
        await connection.send_raw(json.dumps({"type": "conversation.item.create", "item": written("raw")}))
        await connection.send(ResponseCreateEvent(type="response.create"))
        kinds = []
        while "response.done" not in kinds:
            kinds.append(connection.parse_event(await connection.recv_bytes()).type)
    assert [event["item"]["content"][0]["text"] for event in realtime.got[:3]] == ["typed", "plain", "raw"]
    assert [each.text for each in seen.of_type("user_message")] == ["typed", "plain", "raw"]
    assert seen.one("generation").text == "Yes."


async def test_what_is_no_event(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """What the client refuses is refused as ever; what the server refuses is an error; neither is ours to judge."""
    strange: Any = {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": object()},
    }
    del realtime
    async with record(client.realtime.connect(model=MODEL)) as connection:
        with pytest.raises(TypeError):
            await connection.send(strange)
        unknown: Any = {"type": "no.such.event"}
        await connection.send(unknown)
        for data in ("[]", "{no JSON", b"\xff"):
            await connection.send_raw(data)
        for _ in range(4):
            await heard(connection, "error")
    assert [the(each, "error.type") for each in seen.of_type("error")] == [["invalid_event"]] * 4
    assert seen.of_type("user_message") == []


async def test_event_handlers(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Handlers and events given before there is a connection; an error nobody handles is raised by the client."""
    kinds: list[str] = []
    recorded = record(client.realtime.connect(model=MODEL)).on("response.done", lambda event: kinds.append(event.type))
    recorded.send({"type": "conversation.item.create", "item": written("early")})
    recorded.send({"type": "response.create"})
    async with recorded as connection:

        async def cancel(_event: Any) -> None:
            await connection.response.cancel()

        connection.on("response.done", cancel)
        with pytest.raises(OpenAIError, match="no active response"):
            await connection.dispatch_events()
    assert kinds == ["response.done"]
    assert realtime.types() == ["conversation.item.create", "response.create", "response.cancel"]
    assert seen.types() == ["session_start", "user_message", "generation", "error", "session_end"]
    assert seen.one("user_message").text == "early"
    assert reason(seen) == "completed"


def test_sync_client(seen: Captured, realtime: RealtimeServer, sync_client: OpenAI) -> None:
    """The client that blocks, sending from another thread than the one that receives."""
    realtime.transcripts.append("Hello.")
    realtime.answers.append(Answer(spoken="Good day.", sound=SECOND, calls=[Call("look", "{}")]))

    def send(connection: RealtimeConnection) -> None:
        connection.session.update(session=TALK)
        connection.input_audio_buffer.append(audio=sound(SECOND))
        connection.input_audio_buffer.append(audio=sound(SECOND, speech=False))

    with record(sync_client.realtime.connect(model=MODEL), id="s", user_id="u") as connection:
        assert type(connection) is RealtimeConnection
        sender = threading.Thread(target=send, args=(connection,))
        sender.start()
        for event in connection:
            if event.type == "response.done":
                break
        sender.join()
        output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "found"}
        connection.conversation.item.create(item=output)
        oi.feedback(score=True)
    assert seen.types() == [
        "session_start",
        "audio_input",
        "audio_output",
        "generation",
        "tool_call",
        "feedback",
        "session_end",
    ]
    assert {(each.session_id, each.user_id) for each in seen.interactions} == {("s", "u")}
    assert the(seen.one("audio_input"), "audio.bytes", "audio.duration_ms") == [SECOND, 1000.0]
    assert the(seen.one("tool_call"), "call.result") == ["found"]
    assert reason(seen) == "completed"


def test_sync_enter_and_close(seen: Captured, realtime: RealtimeServer, sync_client: OpenAI) -> None:
    """Without a block the session ends when the application closes the connection."""
    del realtime
    connection = record(sync_client.realtime.connect(model=MODEL)).enter()
    connection.conversation.item.create(item=written("Hello"))
    connection.close()
    assert seen.types() == ["session_start", "user_message", "session_end"]
    assert reason(seen) == "completed"


def test_sync_client_that_breaks(seen: Captured, realtime: RealtimeServer, sync_client: OpenAI) -> None:
    """Exceptions of the client that blocks pass; without a connection the session is an error."""
    realtime.answers.append(Answer(spoken="Once upon", breaks=True))
    connection = record(sync_client.realtime.connect(model=MODEL)).enter()
    connection.response.create()
    with pytest.raises(ConnectionClosedError):
        list(connection)
    connection.close()
    assert [reason(seen), seen.one("generation").failed] == ["disconnected", True]
    seen.clear()
    nobody = OpenAI(api_key="key", websocket_base_url="ws://127.0.0.1:9/v1")
    with nobody, pytest.raises(OSError, match="refused"), record(nobody.realtime.connect(model=MODEL)):
        pytest.fail("never here")
    assert reason(seen) == "error"


# Content, costs, limits.


async def test_without_content(realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """With content switched off nothing that was said leaves the process; lengths, sizes and counts do."""
    realtime.transcripts.append("secret spoken")
    realtime.answers.append(Answer(spoken="secret answer", sound=SECOND, calls=[Call("look", '{"for": "secret"}')]))
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "secret result"}
    with captured(capture_content=False) as seen:
        async with record(client.realtime.connect(model=MODEL)) as connection:
            await connection.session.update(session=TALK | {"instructions": "secret instructions"})
            await connection.conversation.item.create(item=written("secret text"))
            await connection.input_audio_buffer.append(audio=sound(SECOND))
            await connection.input_audio_buffer.append(audio=sound(SECOND, speech=False))
            await heard(connection, "response.done")
            await connection.conversation.item.create(item=output)
        assert "secret" not in repr([(each.name, each.attributes) for each in seen.interactions])
        kinds = ("user_message", "audio_input", "audio_output", "generation", "tool_call")
        lengths = [the(seen.one(kind), "text.length")[0] for kind in kinds]
    assert lengths == [len("secret text"), len("secret spoken"), 13, 13, len("secret result")]


async def test_chunks_are_counted_and_no_more(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Thousands of chunks each way are one interaction each way."""
    realtime.answers.append(Answer(spoken=" ".join(["word"] * 1000), sound=1000 * 960))
    chunk = sound(960)
    async with record(client.realtime.connect(model=MODEL)) as connection:
        for _ in range(3000):
            await connection.input_audio_buffer.append(audio=chunk)
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        await heard(connection, "response.done")
    assert seen.types() == ["session_start", "audio_input", "audio_output", "generation", "session_end"]
    assert the(seen.one("audio_input"), "audio.bytes", "audio.duration_ms") == [3000 * 960, 60_000.0]
    assert the(seen.one("audio_output"), "audio.bytes", "audio.duration_ms") == [1000 * 960, 20_000.0]


async def test_what_waits_is_bounded(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Calls nobody answers and turns that are never transcribed do not pile up; each is recorded all the same."""
    many = MOST + 10
    realtime.answers.append(Answer(calls=[Call("look", "{}", f"call_{number}") for number in range(many)]))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=BY_HAND)
        await ask(connection)
        assert len(seen.of_type("tool_call")) == 10
        listener = _listener_of(connection)
        for number in range(many):
            listener.heard(json.dumps({"type": "input_audio_buffer.committed", "item_id": f"x{number}"}))
            listener.heard(json.dumps({"type": "input_audio_buffer.speech_started", "item_id": f"x{number}"}))
            listener.heard(json.dumps({"type": "response.created", "response": {"id": f"r{number}"}}))
        assert len(seen.of_type("audio_input")) == 10
        assert len(seen.of_type("generation")) == 11
        assert max(map(len, (listener._turns, listener._responses, listener._calls, listener._sound._bounds))) == MOST
    assert len(seen.of_type("tool_call")) == many
    assert len(seen.of_type("audio_input")) == many
    assert len(seen.of_type("generation")) == many + 1


async def test_events_of_another_shape(seen: Captured, realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Whatever the fields of an event are, nothing breaks: each kind we know, empty and odd."""
    del realtime
    from otel_interactions.integrations import openai_realtime_listener as module  # noqa: PLC0415  white box

    values: list[Any] = [None, 7, "x", [], {}, [{}], {"output": [1], "id": 3, "content": "x", "audio": {"input": 3}}]
    async with record(client.realtime.connect(model=MODEL)) as connection:
        listener = _listener_of(connection)
        odd = ["session", "item", "item_id", "response", "response_id", "error", "delta", "audio", "audio_start_ms"]
        for value in values:
            for kind in module._hears:
                listener.heard(json.dumps({"type": kind} | dict.fromkeys([*odd, "audio_end_ms", "call_id"], value)))
            for kind in module._sends:
                sent = listener.sending({"type": kind} | dict.fromkeys([*odd, "audio_end_ms"], value))
                if sent is not None:
                    sent()
    assert seen.types()[-1] == "session_end"


def test_texts_of_a_response(seen: Captured) -> None:
    """Parts are lines; what was streamed stands, else what the end tells; sound alone has a first moment, too."""
    listener = Listener(oi.session("s"), owns=True, model=None, tools=True)

    def hear(kind: str, **fields: Any) -> None:
        listener.heard(json.dumps({"type": kind, **fields}))

    message = {"type": "message", "content": [{"type": "output_text", "text": "whole"}]}
    for item_id, delta in (("a", "one"), ("b", "tw"), ("b", "o")):
        hear("response.output_text.delta", response_id="r1", item_id=item_id, content_index=0, delta=delta)
    hear("response.done", response={"id": "r1", "status": "completed", "output": [message]})
    hear("response.done", response={"id": "r2", "status": "completed", "output": [message]})
    hear("response.created", response={"id": "r3"})
    hear("response.output_audio.delta", response_id="r3", delta=sound(960))
    hear("response.done", response={"id": "r3", "status": "completed"})
    listener.leave(None)
    assert [each.text for each in seen.of_type("generation")] == ["one\ntwo", "whole", None]
    assert the(seen.of_type("generation")[2], "time_to_first_chunk") == [pytest.approx(0.004, abs=0.003)]
    assert the(seen.one("audio_output"), "audio.duration_ms", "text.length") == [20.0, None]


def test_updates_stand_above_what_was_before(seen: Captured) -> None:
    """What the server tells of a new session does not undo what the application has asked for since."""
    listener = Listener(oi.session("s"), owns=True, model=MODEL, tools=True)
    listener.sending({"type": "session.update", "session": TEXT | {"audio": BY_HAND["audio"]}})
    sounds = {"input": {"transcription": None}, "output": {"voice": "marin"}}
    before = {"model": SERVED, "output_modalities": ["audio"], "audio": sounds}
    completed = "conversation.item.input_audio_transcription.completed"
    listener.heard(json.dumps({"type": "session.created", "session": before}))
    listener.heard(json.dumps({"type": "input_audio_buffer.committed", "item_id": "i"}))
    listener.heard(json.dumps({"type": completed, "item_id": "i", "transcript": "Hello."}))
    listener.leave(None)
    assert seen.one("audio_input").text == "Hello."
    assert the(seen.one("session_start"), "session.mode", "session.voice", "request.model") == ["text", "marin", MODEL]


def test_connected_again_and_silent(seen: Captured) -> None:
    """A session is resumed as soon as the server has greeted again, whether or not anybody speaks."""
    listener = Listener(oi.session("s"), owns=True, model=MODEL, tools=True)
    hello = json.dumps({"type": "session.created", "session": {"model": SERVED}})
    listener.heard(hello)
    listener.listening()
    listener.lost(ConnectionClosedError(None, None))
    listener.listening()
    assert seen.types() == ["session_start", "event", "session_end"]
    listener.heard(hello)
    listener.listening()
    assert seen.types() == ["session_start", "event", "session_end", "session_start"]
    listener.leave(None)
    ended = seen.types()
    assert ended[-1] == "session_end"
    listener.heard(json.dumps({"type": "error", "error": {"message": "what was in the buffer still"}}))
    listener.sending({"type": "conversation.item.create", "item": written("too late")})
    assert seen.types() == ended


async def test_nothing_configured(realtime: RealtimeServer, client: AsyncOpenAI) -> None:
    """Without a recorder the client works as ever."""
    realtime.answers.append(Answer(spoken="Yes.", sound=SECOND, calls=[Call("look", "{}")]))
    async with record(client.realtime.connect(model=MODEL)) as connection:
        await connection.session.update(session=TALK)
        done = await ask(connection)
    assert done.response.status == "completed"


def test_importing_it_needs_no_client() -> None:
    """The module is imported without the client's library."""
    code = (
        "import sys; import otel_interactions.integrations.openai_realtime; "
        "sys.exit(any(name in sys.modules for name in ('openai', 'websockets', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _listener_of(connection: AsyncRealtimeConnection) -> Any:
    """Return what listens to a connection."""
    return next(
        cell.cell_contents
        for cell in (connection.recv_bytes.__closure__ or ())
        if type(cell.cell_contents).__name__ == "Listener"
    )
