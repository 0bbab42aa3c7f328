"""What is said over OpenAI's Realtime API is what SQL answers: real client, SDK, collector and ClickHouse."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai_realtime_server import Answer, Call, RealtimeServer, serving
from processes import CollectorProcess

import otel_interactions as oi
from otel_interactions.integrations.openai_realtime import record

SESSION = "journey-realtime"
TALK: Any = {
    "type": "realtime",
    "audio": {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}},
}


@pytest.fixture
def recorder(collector: CollectorProcess) -> Iterator[None]:
    """Configure the SDK of this process to send to the shared collector."""
    oi.configure(service_name="journey", endpoint=f"http://{collector.endpoints['grpc']}", set_global=False)
    yield
    oi.shutdown()


async def talk(realtime: RealtimeServer) -> None:
    """Speak, have a function called, hear what it found, and write."""
    speech, silence = (base64.b64encode(byte * 48_000).decode() for byte in (b"\1", b"\0"))
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "today"}
    message: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Thanks."}]}
    manager = AsyncOpenAI(api_key="key", websocket_base_url=realtime.url).realtime.connect(model="gpt-realtime")
    async with record(manager, id=SESSION, user_id="u-9") as connection:
        await connection.session.update(session=TALK)
        await connection.input_audio_buffer.append(audio=speech)
        await connection.input_audio_buffer.append(audio=silence)
        done = 0
        async for event in connection:
            if event.type == "response.function_call_arguments.done":
                await connection.conversation.item.create(item=output)
                await connection.response.create()
            if event.type == "response.done":
                done += 1
                if done == 2:
                    await connection.conversation.item.create(item=message)
                    await connection.response.create()
                if done == 3:
                    break


@pytest.mark.usefixtures("recorder")
def test_a_conversation(collector: CollectorProcess) -> None:
    """The transcript has each thing said once and in order, the session its mode, model and tokens, counted once."""
    with serving() as realtime:
        realtime.transcripts.append("Where is my parcel?")
        realtime.answers += [
            Answer(calls=[Call("track", '{"parcel":7}')]),
            Answer(spoken="It arrives today.", sound=96_000),
            Answer(spoken="You are welcome.", sound=48_000),
        ]
        asyncio.run(asyncio.wait_for(talk(realtime), 30))
    assert oi.flush()
    collector.wait_until_stored()

    said = collector.ask(
        "SELECT role, text, tool_name, tool_result FROM otel.transcript WHERE session_id = {session:String}",
        session=SESSION,
    )
    assert [tuple(row.values()) for row in said] == [
        ("user", "Where is my parcel?", "", ""),
        ("tool", "", "track", "today"),
        ("assistant", "It arrives today.", "", ""),
        ("user", "Thanks.", "", ""),
        ("assistant", "You are welcome.", "", ""),
    ]
    (row,) = collector.ask(
        "SELECT user_id, mode, model, status, end_reason, tool_calls, errors, input_tokens, output_tokens, "
        "assistant_responses FROM otel.sessions WHERE session_id = {session:String}",
        session=SESSION,
    )
    assert row["user_id"] == "u-9"
    assert (row["mode"], row["model"], row["status"], row["end_reason"]) == (
        "voice",
        "gpt-realtime",
        "ended",
        "completed",
    )
    assert (row["tool_calls"], row["errors"], row["input_tokens"], row["output_tokens"]) == (1, 0, 360, 90)
    assert row["assistant_responses"] == 2, "the call of a tool answers nobody"
