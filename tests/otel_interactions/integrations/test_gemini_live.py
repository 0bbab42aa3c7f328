"""Sessions of the Gemini Live API: google-genai's own client, and a server that speaks its protocol."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import gc
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from gemini_live_server import LiveServer, Script, Talk, live_server, sound, text, usage, words
from google.genai import types
from google.genai.errors import APIError
from google.genai.live import AsyncSession
from websockets.exceptions import ConnectionClosed

import otel_interactions as oi
from otel_interactions import recorder
from otel_interactions.guard import Guard
from otel_interactions.integrations.conversation import MAX_OPEN_CALLS, Conversation
from otel_interactions.integrations.gemini_live import record
from otel_interactions.integrations.sound import bytes_per_second
from otel_interactions.log import forget_said
from otel_interactions.testing import Captured, Interaction, captured

MODEL = "gemini-2.5-flash-native-audio"
TEXT: Any = {"response_modalities": ["TEXT"]}
VOICE: Any = {
    "response_modalities": ["AUDIO"],
    "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Aoede"}}},
    "input_audio_transcription": {},
    "output_audio_transcription": {},
}
CHUNK = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")  # 20 ms
HANDLE = "CihiYjE4-a-handle-that-resumes-the-session"


@asynccontextmanager
async def live(script: Script, config: Any = None, **given: Any) -> AsyncIterator[AsyncSession]:
    """A recorded connection to a scripted server."""
    async with live_server(script) as server, connected(server, config, **given) as talk:
        yield talk


@asynccontextmanager
async def connected(server: LiveServer, config: Any = None, **given: Any) -> AsyncIterator[AsyncSession]:
    """One more recorded connection to it."""
    connection = server.client().aio.live.connect(model=MODEL, config=TEXT if config is None else config)
    async with record(connection, **given) as talk:
        yield talk


async def receive(talk: AsyncSession, turns: int = 1) -> list[types.LiveServerMessage]:
    """Receive whole turns."""
    return [message for _ in range(turns) async for message in talk.receive()]


async def ask(talk: AsyncSession, question: str) -> None:
    await talk.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=question)]))


async def speak(talk: AsyncSession, chunks: int) -> None:
    for _ in range(chunks):
        await talk.send_realtime_input(audio=CHUNK)


def details(interaction: Interaction) -> dict[str, Any]:
    found = json.loads(interaction.attributes["interaction.details"])
    assert isinstance(found, dict)
    return found


def notices(seen: Captured) -> list[str]:
    return [each.attributes["interaction.message"] for each in seen.of_type("event")]


def reasons(interactions: list[Interaction]) -> list[str]:
    return [each.attributes["gen_ai.response.finish_reasons"][0] for each in interactions]


async def two_words(talk: Talk) -> None:
    """Answer each question in two pieces."""
    while True:
        await talk.heard("clientContent")
        await talk.content(modelTurn=text("Good "))
        await talk.content(modelTurn=text("evening."))
        await talk.content(turnComplete=True, usage=usage(11, 4))


# What is recorded.


async def test_a_text_turn(seen: Captured) -> None:
    """Question and answer, with everything they carry on the wire; the session begins and ends with the block."""
    async with live(two_words, user_id="u-1", client="web/7", attributes={"shop": 3}) as talk:
        await ask(talk, "Hello?")
        received = await receive(talk)
    assert [message.text for message in received] == ["Good ", "evening.", None]
    start, made, asked, answer, ended, end = seen.interactions
    assert [each.type for each in seen.interactions] == [
        "session_start",
        "event",
        "user_message",
        "assistant_response",
        "event",
        "session_end",
    ]
    assert {(each.session_id, each.user_id, each.trace_id) for each in seen.interactions} == {
        ("session-1", "u-1", start.trace_id)
    }
    assert start.attributes["interaction.session.mode"] == "text"
    assert start.attributes["gen_ai.request.model"] == MODEL
    assert (start.attributes["interaction.session.client"], start.attributes["shop"]) == ('"web/7"', 3)
    assert asked.text == "Hello?"
    known = {name: value for name, value in answer.attributes.items() if name.startswith(("gen_ai", "interaction"))}
    assert known == {
        "interaction.type": "assistant_response",
        "interaction.sequence": 4,
        "interaction.text.length": 13,
        "interaction.response_time_ms": (answer.end_ns - answer.start_ns) / 1e6,
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.001, abs=0.002),
        "gen_ai.request.model": MODEL,
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Good evening."}],'
        '"finish_reason":"stop"}]',
    }
    assert known["gen_ai.response.time_to_first_chunk"] > 0
    assert {asked.parent_id, answer.parent_id} == {start.span_id}
    assert (made.attributes["interaction.component"], details(made)["live_session_id"]) == ("gemini_live", "live-1")
    assert (details(ended)["reason"], details(ended)["turns"]) == ("completed", 1)
    assert end.attributes["interaction.session.end_reason"] == "completed"
    assert not any(each.failed for each in seen.interactions)


async def test_a_voice_turn(seen: Captured) -> None:
    """Hundreds of chunks become one interaction a side: bytes, length by the PCM rate, transcript; tokens once."""

    async def script(talk: Talk) -> None:
        await talk.heard("realtimeInput", count=150, having="audio")
        await talk.content(inputTranscription=words("Where is "))
        await talk.content(inputTranscription=words("my parcel?"))
        for _ in range(100):
            await talk.content(modelTurn=sound(20), outputTranscription=words("yes "))
        await talk.content(generationComplete=True)
        details = [{"modality": "AUDIO", "tokenCount": 75}, {"modality": "TEXT", "tokenCount": 5}]
        spent = usage(
            80,
            50,
            promptTokensDetails=details,
            responseTokensDetails=[{"modality": "AUDIO", "tokenCount": 50}],
            thoughtsTokenCount=7,
            toolUsePromptTokenCount=2,
            cachedContentTokenCount=30,
        )
        await talk.content(turnComplete=True, usage=spent)

    async with live(script, VOICE) as talk:
        await speak(talk, 150)
        received = await receive(talk)
    assert sum(len(message.data or b"") for message in received) == 96_000
    (start, _, said, aloud, answer, ended, _) = seen.interactions
    assert seen.types()[2:5] == ["audio_input", "audio_output", "assistant_response"]
    assert start.attributes["interaction.session.mode"] == "voice"
    assert start.attributes["interaction.session.voice"] == "Aoede"
    assert said.text == "Where is my parcel?"
    assert said.attributes["interaction.audio.bytes"] == 96_000
    assert said.attributes["interaction.audio.duration_ms"] == pytest.approx(3000)
    assert said.attributes["interaction.audio.mime_type"] == "audio/pcm;rate=16000"
    assert aloud.text == "yes " * 100
    assert aloud.attributes["interaction.audio.bytes"] == 96_000
    assert aloud.attributes["interaction.audio.duration_ms"] == pytest.approx(2000)
    assert aloud.attributes["interaction.audio.mime_type"] == "audio/pcm;rate=24000"
    assert (said.parent_id, answer.parent_id, aloud.parent_id) == (start.span_id, start.span_id, answer.span_id)
    tokens = {name: value for name, value in answer.attributes.items() if "tokens" in name}
    assert tokens == {
        "gen_ai.usage.input_tokens": 82,
        "gen_ai.usage.output_tokens": 57,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.reasoning.output_tokens": 7,
        "interaction.audio.input_tokens": 75,
        "interaction.audio.output_tokens": 50,
    }
    assert sum("tokens" in name for each in seen.interactions for name in each.attributes) == len(tokens)
    assert answer.text is None  # each word is once
    assert answer.attributes["gen_ai.response.time_to_first_chunk"] > 0
    until_generated = answer.attributes["interaction.response_time_ms"]
    assert 0 < until_generated < (answer.end_ns - answer.start_ns) / 1e6
    assert (details(ended)["audio_input_bytes"], details(ended)["audio_output_bytes"]) == (96_000, 96_000)


async def test_an_interruption(seen: Captured) -> None:
    """The answer the user cuts short says so and keeps what was said so far; the next turn is one of its own."""

    async def script(talk: Talk) -> None:
        await talk.heard("realtimeInput", count=5)
        await talk.content(inputTranscription=words("Tell me all"))
        await talk.content(modelTurn=sound(100), outputTranscription=words("Once upon"))
        await talk.heard("realtimeInput", count=5)
        await talk.content(interrupted=True)
        await talk.content(inputTranscription=words("Stop"))
        await talk.content(turnComplete=True, usage=usage(10, 3))
        await talk.content(modelTurn=sound(20), outputTranscription=words("Fine."))
        await talk.content(turnComplete=True, usage=usage(20, 2))

    async with live(script, VOICE) as talk:
        await speak(talk, 5)
        sending: asyncio.Task[None] | None = None
        async for message in talk.receive():
            if message.data:
                sending = asyncio.create_task(speak(talk, 5))
        assert sending is not None
        await sending
        await receive(talk)
    cut, full = seen.of_type("assistant_response")
    assert reasons([cut, full]) == ["interrupted", "stop"]
    assert (cut.attributes["gen_ai.usage.input_tokens"], full.attributes["gen_ai.usage.input_tokens"]) == (10, 20)
    assert [each.text for each in seen.of_type("audio_output")] == ["Once upon", "Fine."]
    first, second = seen.of_type("audio_input")
    assert (first.text, second.text) == ("Tell me all", "Stop")
    assert [each.attributes["interaction.audio.bytes"] for each in (first, second)] == [3200, 3200]
    assert first.start_ns < cut.end_ns <= second.start_ns < full.end_ns  # as a transcript reads them
    assert "gen_ai.response.time_to_first_chunk" in full.attributes


async def test_a_transcript_that_comes_late(seen: Captured) -> None:
    """Words of the user's that arrive while the model answers them belong to the turn they were said in."""

    async def script(talk: Talk) -> None:
        await talk.heard("realtimeInput", count=2)
        await talk.content(modelTurn=sound(20))
        await talk.content(inputTranscription=words("How "))
        await talk.content(inputTranscription=words("are you?", finished=True))
        await talk.content(modelTurn=sound(20))
        await talk.content(turnComplete=True)

    async with live(script, VOICE) as talk:
        await speak(talk, 2)
        await receive(talk)
        await speak(talk, 3)
    first, trailing = seen.of_type("audio_input")
    (answer,) = seen.of_type("assistant_response")
    assert (first.text, first.attributes["interaction.audio.bytes"]) == ("How are you?", 1280)
    assert (trailing.text, trailing.attributes["interaction.audio.bytes"]) == (None, 1920)
    assert first.end_ns < answer.end_ns <= trailing.start_ns
    # Nobody can tell when the user ended, so nobody says how long it took.
    assert "gen_ai.response.time_to_first_chunk" not in answer.attributes
    assert "interaction.response_time_ms" not in answer.attributes


async def test_a_microphone_that_never_stops(seen: Captured) -> None:
    """What it sends while the model speaks is counted once and begins after the answer: the order is who spoke when."""

    async def script(talk: Talk) -> None:
        for turn in ("one", "two", "three"):
            await talk.heard("realtimeInput", count=10)
            await talk.content(inputTranscription=words(turn))
            await talk.content(modelTurn=sound(20), outputTranscription=words(turn.upper()))
            await talk.heard("realtimeInput", count=10)
            await talk.content(turnComplete=True)

    async def pace(talk: AsyncSession) -> None:
        for _ in range(60):
            await speak(talk, 1)
            await asyncio.sleep(0.001)

    async with live(script, VOICE) as talk:
        microphone = asyncio.create_task(pace(talk))
        await receive(talk, turns=3)
        await microphone
    inputs, answers = seen.of_type("audio_input"), seen.of_type("assistant_response")
    assert sum(each.attributes.get("interaction.audio.bytes", 0) for each in inputs) == 60 * 640
    assert [each.text for each in inputs if each.text] == ["one", "two", "three"]
    order = sorted(
        [(each.start_ns, each.text) for each in inputs if each.text]
        + [(each.end_ns, each.text) for each in seen.of_type("audio_output")]
    )
    assert [word for _, word in order] == ["one", "ONE", "two", "TWO", "three", "THREE"]
    assert len(answers) == 3


@pytest.mark.parametrize("sign", ["voice_activity", "activity_end", "audio_stream_end", "vad_signal"])
async def test_when_an_answer_is_timed(seen: Captured, sign: str) -> None:
    """From the last sign that the user has ended, whichever there is."""

    async def script(talk: Talk) -> None:
        await talk.heard("realtimeInput", count=2, having="audio")
        if sign == "voice_activity":
            await talk.say(voiceActivity={"type": "ACTIVITY_END"})
        elif sign == "vad_signal":
            await talk.say(voiceActivityDetectionSignal={"vadSignalType": "VAD_SIGNAL_TYPE_EOS"})
        else:
            await talk.heard("realtimeInput")
        await talk.content(modelTurn=sound(20), turnComplete=True)

    async with live(script, VOICE) as talk:
        if sign == "activity_end":
            await talk.send_realtime_input(activity_start=types.ActivityStart())
        await speak(talk, 2)
        if sign == "activity_end":
            await talk.send_realtime_input(activity_end=types.ActivityEnd())
        elif sign == "audio_stream_end":
            await talk.send_realtime_input(audio_stream_end=True)
        await receive(talk)
    (answer,), (said,) = seen.of_type("assistant_response"), seen.of_type("audio_input")
    assert answer.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert answer.start_ns > said.start_ns


@pytest.mark.parametrize(
    ("signs", "said_since", "timed_from"),
    [
        (["begin", "words", "end", "begin again", "end again", "late words", "answer"], "begin", "end again"),
        (["begin", "end", "begin again", "words", "answer"], "begin", "words"),
        (["words", "more words", "answer"], "words", "more words"),
    ],
)
def test_a_pause(seen: Captured, signs: list[str], said_since: str, timed_from: str) -> None:
    """A user who pauses has spoken from the first word, and ended with the last: not when the transcript was ready."""
    with oi.session():
        talk = Conversation(model=None, provider="p", input_rate=16_000, output_rate=24_000)
        talk.spoke(640, "audio/pcm")
        for sign in signs:
            oi.event("api", sign)
            if sign.startswith("begin"):
                talk.began_speaking()
            elif sign.startswith("end"):
                talk.asked()
            elif sign == "answer":
                talk.said("Yes.")
            else:
                talk.understood(sign, finished=False)
        talk.turn_over()
    times = [each.start_ns for each in seen.of_type("event")]
    at = dict(zip(signs, zip(times, [*times[1:], times[-1]], strict=True), strict=True))
    said, answer = seen.one("audio_input"), seen.one("assistant_response")
    assert said.text == "".join(sign for sign in signs if "words" in sign)
    assert at[said_since][0] < said.start_ns < at[said_since][1]
    assert at[timed_from][0] < answer.start_ns < at[timed_from][1]


async def test_what_is_no_answer(seen: Captured) -> None:
    """Thoughts are not said; history the application restores is not asked; pictures are counted."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.content(modelTurn=text("hmm", thought=True))
        await talk.content(modelTurn=text("A cat."), turnComplete=True)
        await talk.heard("realtimeInput", having="text")
        await talk.content(turnComplete=True, turnCompleteReason="RESPONSE_REJECTED")

    picture = {"inline_data": {"data": b"png", "mime_type": "image/png"}}
    history: list[Any] = [
        {"role": "user", "parts": [{"text": "before"}]},
        {"role": "model", "parts": [{"text": "an answer before"}]},
        {"role": "user", "parts": [{"text": "What is"}, {"text": "this?"}, picture]},
    ]
    async with live(script) as talk:
        await talk.send_client_content(turns=history)
        await receive(talk)
        await talk.send_realtime_input(video=types.Blob(data=b"jpeg", mime_type="image/jpeg"))
        await talk.send_realtime_input(text="Something forbidden")
        await receive(talk)
    first, second = seen.of_type("user_message")
    assert (first.text, second.text) == ("What is\nthis?", "Something forbidden")
    assert details(first) == {"attachments": [{"mime_type": "image/png", "bytes": 3}]}
    answers = seen.of_type("assistant_response")
    assert [each.text for each in answers] == ["A cat.", None]
    assert reasons(answers) == ["stop", "response_rejected"]
    assert details(seen.of_type("event")[-1])["pictures"] == 2


# Tools.


async def test_tool_calls(seen: Captured) -> None:
    """Call and response are one span, joined by the call's id, below the answer they are made for."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        calls = [{"id": f"c-{n}", "name": "weather", "args": {"city": city}} for n, city in enumerate("AB")]
        await talk.say(toolCall={"functionCalls": calls}, usageMetadata=usage(5, 1))
        answered = await talk.heard("toolResponse")
        assert [each["id"] for each in answered["functionResponses"]] == ["c-1", "c-0"]
        await talk.content(modelTurn=text("Rain."))
        await talk.content(turnComplete=True, usage=usage(6, 2))

    async with live(script) as talk:
        await ask(talk, "Weather?")
        async for message in talk.receive():
            if message.tool_call:
                await asyncio.sleep(0.01)
                answers = [
                    types.FunctionResponse(id="c-1", name="weather", response={"error": "no such city"}),
                    types.FunctionResponse(id="c-0", name="weather", response={"output": "rain"}),
                ]
                await talk.send_tool_response(function_responses=answers)
    failed, worked = seen.of_type("tool_call")
    (answer,) = seen.of_type("assistant_response")
    assert worked.attributes["gen_ai.tool.call.id"] == "c-0"
    assert worked.attributes["gen_ai.tool.name"] == "weather"
    assert worked.attributes["gen_ai.tool.call.arguments"] == '{"city":"A"}'
    assert worked.attributes["gen_ai.tool.call.result"] == '{"output":"rain"}'
    assert worked.end_ns > worked.start_ns
    assert (failed.failed, worked.failed) == (True, False)
    assert failed.attributes["exception.message"] == "no such city"
    assert {failed.parent_id, worked.parent_id} == {answer.span_id}
    assert answer.attributes["gen_ai.usage.input_tokens"] == 11  # of both calls of the model in this turn
    assert seen.of_type("tool_response") == []


async def test_tool_calls_that_go_another_way(seen: Captured) -> None:
    """Cancelled, answered bit by bit, answered by nobody, answered though nobody asked."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        asked: list[dict[str, Any]] = [
            {"id": name, "name": name, "args": {}} for name in ("cancelled", "bits", "forgotten")
        ]
        await talk.say(toolCall={"functionCalls": asked})
        await talk.say(toolCallCancellation={"ids": ["cancelled", "never heard of"]})
        await talk.heard("toolResponse", count=4)
        await talk.content(modelTurn=text("Well."), turnComplete=True)

    def bit(response: dict[str, Any], *, more: bool) -> types.FunctionResponse:
        return types.FunctionResponse(id="bits", name="bits", response=response, will_continue=more)

    async with live(script) as talk:
        await ask(talk, "Go")
        async for message in talk.receive():
            if message.tool_call_cancellation:
                await talk.send_tool_response(function_responses=bit({"n": 1}, more=True))
                await talk.send_tool_response(function_responses=bit({"n": 2}, more=True))
                await talk.send_tool_response(function_responses=bit({}, more=False))
                await talk.send_tool_response(function_responses={"id": "x", "name": "odd", "response": {"a": 1}})
    calls: dict[str, Interaction] = {each.attributes["gen_ai.tool.name"]: each for each in seen.of_type("tool_call")}
    assert calls["cancelled"].attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert calls["forgotten"].attributes["gen_ai.response.finish_reasons"] == ("abandoned",)
    assert calls["bits"].attributes["gen_ai.tool.call.result"] == '[{"n":1},{"n":2}]'
    assert not any(each.failed for each in calls.values())
    odd = seen.one("tool_response")
    assert (odd.attributes["gen_ai.tool.name"], odd.attributes["gen_ai.tool.call.id"]) == ("odd", "x")


async def test_a_tool_that_takes_its_time(seen: Captured) -> None:
    """Answered when the turn is long over, it is one span still; the answer to it is timed from there."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.say(toolCall={"functionCalls": [{"id": "c", "name": "order", "args": {}}]})
        await talk.content(modelTurn=text("I am ordering."), turnComplete=True)
        await talk.heard("toolResponse")
        await talk.content(modelTurn=text("It is ordered."), turnComplete=True)

    async with live(script) as talk:
        await ask(talk, "Order it")
        await receive(talk)
        await talk.send_tool_response(function_responses={"id": "c", "name": "order", "response": {"output": "ok"}})
        await receive(talk)
    first, second = seen.of_type("assistant_response")
    call = seen.one("tool_call")
    assert (call.parent_id, call.attributes["gen_ai.tool.call.result"]) == (first.span_id, '{"output":"ok"}')
    assert first.end_ns < call.end_ns
    assert second.attributes["gen_ai.response.time_to_first_chunk"] > 0


def test_calls_nobody_answers_are_bounded(seen: Captured) -> None:
    """A model that asks for more and more does not fill the memory: the oldest calls end."""
    with oi.session():
        talk = Conversation(model=None, provider="p", input_rate=1, output_rate=1)
        for number in range(MAX_OPEN_CALLS + 3):
            talk.called(str(number), "tool", {})
        assert [each.attributes["gen_ai.tool.call.id"] for each in seen.of_type("tool_call")] == ["0", "1", "2"]
        talk.end("abandoned")
    assert len(seen.of_type("tool_call")) == MAX_OPEN_CALLS + 3


# The connection.


async def test_notices_and_a_second_connection(seen: Captured) -> None:
    """The server says it will go, the application reconnects in the same session; the handle is recorded nowhere."""

    async def script(talk: Talk) -> None:
        if talk.setup.get("sessionResumption", {}).get("handle"):
            await talk.heard("clientContent")
            await talk.content(modelTurn=text("I remember."), turnComplete=True)
            return
        await talk.say(sessionResumptionUpdate={"newHandle": HANDLE, "resumable": True})
        await talk.say(sessionResumptionUpdate={"resumable": False})
        await talk.say(goAway={"timeLeft": "9.5s"})
        await talk.content(turnComplete=True)

    async with live_server(script) as server, oi.session(user_id="u-2"):
        async with connected(server, {**TEXT, "session_resumption": {}}) as talk:
            (handle,) = [
                update.new_handle
                for message in await receive(talk)
                if (update := message.session_resumption_update) and update.new_handle
            ]
        again = types.LiveConnectConfig(
            response_modalities=[types.Modality.TEXT], session_resumption=types.SessionResumptionConfig(handle=handle)
        )
        async with connected(server, again) as talk:
            await ask(talk, "And?")
            await receive(talk)
    assert handle == HANDLE
    assert len(seen.of_type("session_start")) == len(seen.of_type("session_end")) == 1
    assert {each.user_id for each in seen.interactions} == {"u-2"}
    assert notices(seen) == [
        "live connection made",
        "live session can be resumed",
        "live session cannot be resumed",
        "live connection will end",
        "live connection ended",
        "live connection made",
        "live connection ended",
    ]
    _, can, cannot, leaving, _, again_made, _ = seen.of_type("event")
    short = hashlib.sha256(HANDLE.encode()).hexdigest()[:16]
    assert details(can) == {"resumable": True, "handle_sha256": short, "handle_length": len(HANDLE)}
    assert details(cannot) == {"resumable": False}
    assert (details(leaving), leaving.attributes["interaction.severity"]) == ({"time_left": "9.5s"}, "warn")
    assert details(again_made)["handle_sha256"] == short
    assert HANDLE not in repr([each.attributes for each in seen.interactions])
    assert seen.one("assistant_response").text == "I remember."


async def test_a_connection_that_breaks(seen: Captured) -> None:
    """In the middle of an answer: the error is recorded once and passes; the session ends as disconnected."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.say(toolCall={"functionCalls": [{"id": "c", "name": "slow", "args": {}}]})
        await talk.content(modelTurn=text("I was about to"))
        await talk.close(1011, "the model is overloaded")

    with pytest.raises(APIError) as raised:  # noqa: PT012  what is raised inside leaves the block
        async with live(script) as talk:
            await ask(talk, "Hello?")
            try:
                await receive(talk)
            except APIError as error:
                assert seen.one("assistant_response").text == "I was about to"  # at once, not when the block ends
                for _ in range(3):
                    with pytest.raises(ConnectionClosed):
                        await ask(talk, "Hello?")
                again = error
                raise
    assert raised.value is again
    assert raised.value.code == 1011
    problem = seen.one("error")
    assert problem.attributes["error.type"] == "google.genai.errors.APIError"
    assert "the model is overloaded" in problem.attributes["exception.message"]
    assert problem.attributes["interaction.component"] == "gemini_live"
    answer = seen.one("assistant_response")
    assert (answer.text, reasons([answer, seen.one("tool_call")])) == ("I was about to", ["disconnected"] * 2)
    told = details(seen.of_type("event")[-1])
    assert (told["reason"], told["code"], told["close_reason"]) == ("disconnected", 1011, "the model is overloaded")
    assert seen.one("session_end").attributes["interaction.session.end_reason"] == "disconnected"


async def test_a_connection_the_server_ends(seen: Captured) -> None:
    """In an orderly way it is no error, also where the application takes no notice of it."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.content(modelTurn=text("Bye."), turnComplete=True)
        await talk.close(1000, "time is up")

    async with live(script) as talk:
        await ask(talk, "Hello?")
        await receive(talk)
        with pytest.raises(APIError):
            await receive(talk)
    assert seen.of_type("error") == []
    assert details(seen.of_type("event")[-1])["code"] == 1000
    assert seen.one("session_end").attributes["interaction.session.end_reason"] == "disconnected"


async def test_a_connection_the_application_closes(seen: Captured) -> None:
    """While another task is still receiving from it: that task's error is the close, not a fault."""
    async with live(two_words) as talk:
        receiving = asyncio.create_task(receive(talk))
        await asyncio.sleep(0.01)
        await talk.close()
        with pytest.raises(APIError):
            await receiving
    assert seen.of_type("error") == []
    assert seen.one("session_end").attributes["interaction.session.end_reason"] == "completed"


async def test_a_connection_that_is_refused(seen: Captured) -> None:
    """The session begins, says why there is no connection, and ends; the error passes."""
    async with live_server(two_words, refusal=(1008, "no such model")) as server:
        with pytest.raises(APIError, match="no such model"):
            async with connected(server):
                raise AssertionError("there is no connection")
    assert seen.types() == ["session_start", "error", "session_end"]
    assert seen.one("session_end").attributes["interaction.session.end_reason"] == "error"
    assert oi.current_session() is None


async def test_wrong_arguments(seen: Captured) -> None:
    """What the library says to them passes and is recorded, once for many."""
    async with live(two_words) as talk:
        for _ in range(5):
            with pytest.raises(ValueError, match="Only one argument"):
                await talk.send_realtime_input(audio=CHUNK, text="both")
        with pytest.raises(TypeError):
            await talk.send_client_content("positional")  # type: ignore[arg-type, call-arg]
    assert [each.attributes["error.type"] for each in seen.of_type("error")] == ["ValueError", "TypeError"]


# Tasks.


async def test_tasks_from_before_the_block(seen: Captured) -> None:
    """A sender and a receiver whose Context knows of no session: all is in the connection's, in one turn."""
    ready: asyncio.Event = asyncio.Event()
    found: list[AsyncSession] = []

    async def send() -> None:
        await ready.wait()
        assert oi.current_session() is None
        await ask(found[0], "Hello?")

    async def hear() -> None:
        await ready.wait()
        await receive(found[0])

    tasks = [asyncio.create_task(send()), asyncio.create_task(hear(), context=contextvars.Context())]
    async with live(two_words) as talk:
        found.append(talk)
        ready.set()
        await asyncio.gather(*tasks)
    assert seen.types()[2:4] == ["user_message", "assistant_response"]
    assert {each.session_id for each in seen.interactions} == {"session-1"}
    assert {each.parent_id for each in seen.interactions[1:]} == {seen.interactions[0].span_id}


async def test_two_connections_at_once(seen: Captured) -> None:
    """Each has a session of its own, and its own turns."""

    async def one(server: LiveServer, question: str) -> None:
        async with connected(server, id=question) as talk:
            for _ in range(5):
                await ask(talk, question)
                await receive(talk)

    async with live_server(two_words) as server:
        await asyncio.gather(*(one(server, f"s-{n}") for n in range(4)))
    for number in range(4):
        own = [each for each in seen.interactions if each.session_id == f"s-{number}"]
        assert [each.type for each in own].count("assistant_response") == 5
        assert {each.text for each in own if each.type == "user_message"} == {f"s-{number}"}


async def test_inside_an_agent_run(seen: Captured) -> None:
    """In a session, and below what was current when the connection was made."""
    async with oi.session("mine", model="other"), oi.agent_run("desk") as run:
        async with live(two_words, id="not-this-one") as talk:
            await ask(talk, "Hello?")
            await receive(talk)
        current = oi.current_session()
        assert current is not None
        assert current.id == "mine"
    answer = seen.one("assistant_response")
    assert (answer.session_id, answer.parent_id) == ("mine", run.span_id)
    assert answer.attributes["gen_ai.request.model"] == MODEL
    assert seen.types()[-1] == "session_end"
    assert len(seen.of_type("session_end")) == 1


async def test_an_abandoned_loop(seen: Captured) -> None:
    """A turn goes on in the next loop; one that nobody receives to its end is recorded as abandoned, with what came."""
    async with live(two_words) as talk:
        await ask(talk, "One?")
        async for _ in talk.receive():
            break
        gc.collect()
        await receive(talk)
        await ask(talk, "Two?")
        async for _ in talk.receive():
            break
    first, second = seen.of_type("assistant_response")
    assert (first.text, second.text) == ("Good evening.", "Good ")
    assert reasons([first, second]) == ["stop", "abandoned"]
    assert seen.of_type("error") == []


async def test_a_cancelled_task(seen: Captured) -> None:
    """What was said so far is recorded; the session ends as cancelled, and the task is cancelled."""
    started = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.content(modelTurn=text("Let me"))

    async def run() -> None:
        async with live(script) as talk:
            await ask(talk, "Hello?")
            async for _ in talk.receive():
                started.set()

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answer = seen.one("assistant_response")
    assert (answer.text, reasons([answer])) == ("Let me", ["cancelled"])
    assert seen.of_type("error") == []
    assert seen.one("session_end").attributes["interaction.session.end_reason"] == "cancelled"


async def test_an_exception_of_the_application(seen: Captured) -> None:
    """In the middle of a turn: it passes as the same object, and the session ends with it."""
    mine = LookupError("mine")
    with pytest.raises(LookupError) as raised:  # noqa: PT012  what is raised inside leaves the block
        async with live(two_words) as talk:
            await ask(talk, "Hello?")
            async for _ in talk.receive():
                raise mine
    assert raised.value is mine
    end = seen.one("session_end")
    assert (end.attributes["interaction.session.end_reason"], end.attributes["error.type"]) == ("error", "LookupError")
    assert reasons(seen.of_type("assistant_response")) == ["error"]


async def test_after_the_block(seen: Captured) -> None:
    """A task that is still receiving when the block ends records nothing more, and sees what it would have seen."""
    over, started = asyncio.Event(), asyncio.Event()
    received: list[str | None] = []

    async def hear(talk: AsyncSession) -> None:
        async for message in talk.receive():
            received.append(message.text)
            started.set()
            await over.wait()
        await receive(talk)

    async with AsyncExitStack() as stack:
        talk = await stack.enter_async_context(live(two_words))
        hearing = asyncio.create_task(hear(talk))
        await ask(talk, "Hello?")
        await started.wait()
        await asyncio.sleep(0.05)  # the rest is there, and not taken
    over.set()
    with pytest.raises(APIError):
        await hearing
    assert received == ["Good ", "evening.", None]
    assert seen.one("assistant_response").text == "Good "
    assert seen.types()[-2:] == ["event", "session_end"]
    with pytest.raises(ConnectionClosed):
        await ask(talk, "Hello?")
    assert seen.types()[-1] == "session_end"


# What the application has in its hands.


async def test_it_is_the_very_session(seen: Captured) -> None:
    """What the block gives is google-genai's own object; afterwards nothing of ours is on it."""
    async with live(two_words) as talk:
        assert type(talk) is AsyncSession
        assert talk.session_id == "live-1"
        assert talk.receive.__doc__ == AsyncSession.receive.__doc__
        await talk.send_context_update(system_instruction="Be brief.")
        assert "send" in vars(talk)
        assert seen.of_type("error") == []
    assert {name for name in vars(talk) if not name.startswith("_")} == {"session_id", "setup_complete"}


async def test_send_and_start_stream(seen: Captured) -> None:
    """The deprecated ways, which take everything in one argument."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.say(toolCall={"functionCalls": [{"id": "c", "name": "clock", "args": {}}]})
        await talk.heard("toolResponse")
        await talk.content(modelTurn=text("Noon."), turnComplete=True)
        await talk.heard("realtimeInput", count=4)
        await talk.content(modelTurn=sound(20), turnComplete=True)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(320)
        await asyncio.sleep(0.05)

    async with live(script) as talk:
        with pytest.warns(DeprecationWarning, match="deprecated"):
            await talk.send(input="What time is it?", end_of_turn=True)
        async for message in talk.receive():
            if message.tool_call:
                with pytest.warns(DeprecationWarning, match="deprecated"):
                    await talk.send(input=types.FunctionResponse(id="c", name="clock", response={"output": 12}))
        with pytest.warns(DeprecationWarning, match="deprecated"):
            await talk.send(input={"data": bytes(320), "mime_type": "audio/pcm"})
        with pytest.warns(DeprecationWarning, match="deprecated"):
            streamed = [message async for message in talk.start_stream(stream=chunks(), mime_type="audio/pcm")]
    assert [len(message.data or b"") for message in streamed] == [960]
    assert seen.one("user_message").text == "What time is it?"
    assert seen.one("tool_call").attributes["gen_ai.tool.call.result"] == '{"output":12}'
    assert seen.one("audio_input").attributes["interaction.audio.duration_ms"] == pytest.approx(40)
    assert seen.one("audio_output").attributes["interaction.audio.bytes"] == 960
    assert seen.of_type("error") == []


@pytest.mark.filterwarnings("ignore:The `session.send` method is deprecated")
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (["Hello?"], "user_message"),
        ({"turns": [{"role": "user", "parts": [{"text": "Hello?"}]}], "turn_complete": True}, "user_message"),
        (
            types.LiveClientContent(turns=[types.Content(parts=[types.Part(text="Hello?")])], turn_complete=True),
            "user_message",
        ),
        (CHUNK, "audio_input"),
        (types.LiveClientRealtimeInput(media_chunks=[CHUNK]), "audio_input"),
        ([{"id": "c", "name": "n", "response": {}}], "tool_response"),
        (
            types.LiveClientToolResponse(function_responses=[types.FunctionResponse(id="c", name="n", response={})]),
            "tool_response",
        ),
        (None, None),
    ],
)
async def test_send_takes_anything(seen: Captured, given: Any, kind: str | None) -> None:
    """Each form the deprecated method takes is the interaction it stands for."""

    async def script(talk: Talk) -> None:
        await talk.next()
        await talk.content(turnComplete=True)

    async with live(script) as talk:
        await talk.send(input=given, end_of_turn=True)
        await receive(talk)
    assert [each for each in seen.types() if not each.startswith(("session", "event"))] == ([kind] if kind else [])
    if kind == "user_message":
        assert seen.one(kind).text == "Hello?"


async def test_vertex(seen: Captured) -> None:
    """The same over Vertex AI, where calls of tools have no ids."""

    async def script(talk: Talk) -> None:
        await talk.heard("clientContent")
        await talk.say(toolCall={"functionCalls": [{"name": "clock", "args": {}}]})
        await talk.heard("toolResponse")
        spent = {"promptTokenCount": 3, "candidatesTokenCount": 2}
        await talk.content(modelTurn=text("Noon."), turnComplete=True, usage=spent)

    async with live_server(script) as server:
        connection = server.vertex_client().aio.live.connect(model=MODEL, config=TEXT)
        async with record(connection) as talk:
            await ask(talk, "Time?")
            async for message in talk.receive():
                if message.tool_call:
                    await talk.send_tool_response(function_responses={"name": "clock", "response": {"output": 12}})
    answer = seen.one("assistant_response")
    assert answer.attributes["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert answer.attributes["gen_ai.usage.output_tokens"] == 2
    assert seen.one("tool_call").attributes["gen_ai.tool.call.result"] == '{"output":12}'


@pytest.mark.parametrize(
    ("config", "mode", "voice"),
    [
        (None, "voice", None),
        ({"responseModalities": ["TEXT"]}, "text", None),
        (types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO]), "voice", None),
        (types.LiveConnectConfig(**VOICE), "voice", "Aoede"),
    ],
)
async def test_mode_and_voice(seen: Captured, config: Any, mode: str, voice: str | None) -> None:
    """From the configuration in each of its forms; without any the model speaks."""
    async with live_server(two_words) as server:
        connection = server.client().aio.live.connect(model=f"models/{MODEL}", config=config)
        async with record(connection):
            pass
    start = seen.one("session_start").attributes
    assert start["interaction.session.mode"] == mode
    assert start.get("interaction.session.voice") == voice
    assert start["gen_ai.request.model"] == MODEL


# Promises.


async def everything(talk: Talk) -> None:
    """One turn with all there is."""
    await talk.heard("clientContent")
    await talk.heard("realtimeInput")
    await talk.content(inputTranscription=words("SECRET words"))
    await talk.say(toolCall={"functionCalls": [{"id": "c", "name": "look", "args": {"key": "SECRET"}}]})
    await talk.heard("toolResponse")
    await talk.content(modelTurn=text("SECRET text"))
    await talk.content(modelTurn=sound(20), outputTranscription=words("SECRET speech"))
    await talk.content(turnComplete=True)


async def all_of_it() -> None:
    async with live(everything, VOICE) as talk:
        await ask(talk, "SECRET question")
        await speak(talk, 1)
        async for message in talk.receive():
            if message.tool_call:
                answer = types.FunctionResponse(id="c", name="look", response={"error": "SECRET error"})
                await talk.send_tool_response(function_responses=answer)


async def test_without_content() -> None:
    """Lengths, bytes and times stay; no word that was said, written, asked of a tool or answered by it does."""
    with captured(capture_content=False) as seen:
        await all_of_it()
    assert "SECRET" not in repr([(each.name, each.attributes) for each in seen.interactions])
    assert "SECRET" not in repr([span.status.description for span in seen.spans])
    lengths = {each.type: each.attributes.get("interaction.text.length") for each in seen.interactions}
    assert lengths["user_message"] == len("SECRET question")
    assert lengths["audio_input"] == len("SECRET words")
    assert lengths["assistant_response"] == len("SECRET text")
    assert lengths["audio_output"] == len("SECRET speech")
    assert lengths["tool_call"] is not None
    assert seen.one("tool_call").failed
    with captured() as whole:
        await all_of_it()
    assert repr([each.attributes for each in whole.interactions]).count("SECRET") == 7  # an error is on its call twice


async def test_no_sound_is_kept(seen: Captured) -> None:
    """Not a byte of what was said, by either side, is recorded."""
    noise = bytes(range(256)) * 10

    async def script(talk: Talk) -> None:
        sent = await talk.heard("realtimeInput")
        assert base64.urlsafe_b64decode(sent["audio"]["data"]) == noise
        part = {"inlineData": {"mimeType": "audio/pcm", "data": base64.b64encode(noise).decode()}}
        await talk.content(modelTurn={"parts": [part]}, turnComplete=True)

    async with live(script, VOICE) as talk:
        await talk.send_realtime_input(audio=types.Blob(data=noise, mime_type="audio/pcm;rate=16000"))
        (message,) = await receive(talk)
    assert message.data == noise
    assert max(len(str(value)) for each in seen.interactions for value in each.attributes.values()) < 500


async def test_a_long_turn_is_bounded(seen: Captured) -> None:
    """A transcript of megabytes is cut, and says so; what is kept of it meanwhile is no larger."""
    talk = Conversation(model=None, provider="p", input_rate=16_000, output_rate=24_000)
    piece = "x" * 1000
    with oi.session():
        for _ in range(5000):
            talk.understood(piece, finished=False)
            talk.spoken(piece)
        talk.turn_over()
    (aloud,), (said,) = seen.of_type("audio_output"), seen.of_type("audio_input")
    for each in (aloud, said):
        assert each.attributes["interaction.text.length"] == 5_000_000
        assert each.text is not None
        assert len(each.text) < 1_100_000
        assert "cut after" in each.text[-200:]


async def test_tokens_that_come_after_the_turn(seen: Captured) -> None:
    """Tokens reported too late are those of the next turn; after the last one the connection's end has them."""

    async def script(talk: Talk) -> None:
        for _ in range(2):
            await talk.heard("clientContent")
            await talk.content(modelTurn=text("Yes."), turnComplete=True)
            await talk.say(usageMetadata=usage(10, 1))
        await talk.content(waitingForInput=True, turnComplete=False)
        await talk.close(1000)

    async with live(script) as talk:
        await ask(talk, "One?")
        await receive(talk)
        await ask(talk, "Two?")
        await receive(talk)
        with pytest.raises(APIError):
            await receive(talk)
    first, second = seen.of_type("assistant_response")
    assert "gen_ai.usage.input_tokens" not in first.attributes
    assert second.attributes["gen_ai.usage.input_tokens"] == 10
    assert details(seen.of_type("event")[-1])["gen_ai.usage.input_tokens"] == 10


async def test_nothing_configured(lines: Callable[[], list[str]]) -> None:
    """Without `configure()` the conversation goes on as if nobody listened."""
    recorder.install(None, recorder.NOT_CONFIGURED)  # as in a new process
    forget_said()
    await all_of_it()
    async with live(two_words) as talk:
        await ask(talk, "Hello?")
        received = await receive(talk)
    assert [message.text for message in received] == ["Good ", "evening.", None]
    assert any("call otel_interactions.configure()" in line for line in lines())


async def test_a_fault_of_ours(seen: Captured, monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[str]]) -> None:
    """Whatever breaks in here costs an interaction and a line in the log; the application has its conversation."""

    def broken(*_args: object, **_given: object) -> None:
        raise RuntimeError("our fault")

    monkeypatch.setattr(Guard, "reraise", False)
    for name in ("wrote", "said", "turn_over", "end", "spoke"):
        monkeypatch.setattr(Conversation, name, broken)
    async with live(two_words) as talk:
        await talk.send_realtime_input(audio=CHUNK)
        await ask(talk, "Hello?")
        received = await receive(talk)
    assert [message.text for message in received] == ["Good ", "evening.", None]
    assert any("our fault" in line for line in lines())
    assert seen.types()[-1] == "session_end"


@pytest.mark.parametrize(
    ("mime_type", "second"),
    [
        ("audio/pcm;rate=16000", 32_000),
        ("audio/pcm", 48_000),
        ("audio/L16; rate=8000; channels=2", 32_000),
        ("audio/pcm;rate=fast", None),
        ("audio/pcm;rate=0", None),
        ("audio/opus", None),
    ],
)
def test_bytes_per_second(mime_type: str, second: int | None) -> None:
    """PCM tells how long it lasts, by its rate; other formats do not."""
    assert bytes_per_second(mime_type, 24_000) == second


def test_it_does_not_import_the_library() -> None:
    """Importing the integration costs no import of google-genai."""
    code = "import sys, otel_interactions.integrations.gemini_live; sys.exit('google.genai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
