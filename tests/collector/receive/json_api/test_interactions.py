"""Each shape of /api/interactions/log is a row that reads as it was meant."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from otel_interactions.ids import session_ids

PATH = "/api/interactions/log"
AT = 1_704_067_200_000
TS, END = "2024-01-01 00:00:00.000000000", "2024-01-01 00:00:04.000000000"
ANSWER = {"role": "assistant", "output_text": 'Start\n"slow" 🏋', "finish_reason": "stop", "status": "ok"}


def item(kind: str, content: Any = None, **metadata: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"interaction_type": kind, "user_id": "u-1", "metadata": {"timestamp": AT, **metadata}}
    return made if content is None else made | {"content": content}


def row(kind: str, **columns: Any) -> dict[str, Any]:
    return {"ts": TS, "type": kind, "name": kind, "user_id": "u-1", "status": "ok"} | columns


# What is sent, what stands in the columns, what is kept in attributes without a column.
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, str]]] = {
    "user_message": (
        item("user_message", {"text": "How?", "length": 4, "lang": "en"}, page="/home"),
        [row("user_message", role="user", input_text="How?")],
        {
            "interaction.text.length": "4",
            "interaction.details": '{"lang":"en"}',
            "interaction.metadata": '{"page":"/home"}',
        },
    ),
    "user_message, its text not kept": (
        item("user_message", {"length": 32}),
        [row("user_message", role="user")],
        {"interaction.text.length": "32"},
    ),
    "user_message, text counted": (
        item("user_message", {"text": "été"}),
        [row("user_message", role="user", input_text="été")],
        {"interaction.text.length": "3"},
    ),
    "assistant_response": (
        item(
            "assistant_response",
            {"text": ANSWER["output_text"], "length": 15},
            tokens=12,
            finishReason="stop",
            model="gpt-5",
            response_time_ms=850.5,
            mood="calm",
        ),
        [
            row(
                "assistant_response",
                ts="2023-12-31 23:59:59.149500000",
                duration_ms=850.5,
                model="gpt-5",
                output_tokens=12,
                **ANSWER,
            )
        ],
        {"interaction.mood": "calm", "interaction.text.length": "15"},
    ),
    "assistant_response, all facts": (
        item(
            "assistant_response",
            {
                "text": ANSWER["output_text"],
                "model": "in content",
                "provider": "openai",
                "inputTokens": 100,
                "outputTokens": 12,
                "tokens": 112,
                "costUsd": 0,
                "ttftMs": 120,
                "finish_reason": "stop",
            },
            model="in metadata",
        ),
        [
            row(
                "assistant_response",
                provider="openai",
                model="in content",
                input_tokens=100,
                output_tokens=12,
                ttft_ms=120,
                **ANSWER,
            )
        ],
        {"interaction.tokens": "112", "interaction.cost_usd": "0"},
    ),
    "audio_input": (
        item(
            "audio_input",
            {"audio_duration_ms": 2300, "audio_size_bytes": 73_600, "audio_url": "s3://a/1", "transcript": "hello"},
            mime_type="audio/ogg",
        ),
        [
            row(
                "audio_input",
                role="user",
                input_text="hello",
                audio_duration_ms=2300,
                audio_bytes=73_600,
                audio_url="s3://a/1",
                audio_mime_type="audio/ogg",
            )
        ],
        {},
    ),
    "audio_output, format in content": (
        item("audio_output", {"transcript": "hi", "mimeType": "audio/pcm"}),
        [row("audio_output", role="assistant", output_text="hi", audio_mime_type="audio/pcm")],
        {},
    ),
    "audio_output, not transcribed": (
        item("audio_output", {"audio_duration_ms": 7}),
        [row("audio_output", role="assistant", audio_duration_ms=7)],
        {},
    ),
    "tool_call": (
        item("tool_call", {"function_name": "weather", "arguments": {"city": "Köln", "n": [1]}, "call_id": 17}),
        [
            row(
                "tool_call",
                name="tool_call weather",
                role="tool",
                tool_name="weather",
                tool_call_id="17",
                tool_arguments='{"city":"Köln","n":[1]}',
            )
        ],
        {"gen_ai.operation.name": "execute_tool"},
    ),
    "tool_call, arguments as text": (
        item("tool_call", {"function_name": "f" * 65, "arguments": '{"a": 1}'}),
        [row("tool_call", role="tool", tool_name="f" * 65, tool_arguments='{"a": 1}')],
        {},
    ),
    "tool_response, result": (
        item(
            "tool_response", {"function_name": "weather", "call_id": "c1", "result": {"sky": "rain"}}, duration_ms=120
        ),
        [
            row(
                "tool_response",
                ts="2023-12-31 23:59:59.880000000",
                name="tool_response weather",
                duration_ms=120,
                role="tool",
                tool_name="weather",
                tool_call_id="c1",
                tool_result='{"sky":"rain"}',
            )
        ],
        {"interaction.text.length": "14"},
    ),
    "tool_response, error": (
        item("tool_response", {"function_name": "weather", "error": {"code": 504}}),
        [
            row(
                "tool_response",
                name="tool_response weather",
                role="tool",
                tool_name="weather",
                status="error",
                error_type="_OTHER",
                error_message='{"code":504}',
            )
        ],
        {},
    ),
    "session_start": (
        item("session_start", {"model": "gpt-5", "mode": "voice", "voice": "Aoede"}, browser="FF", userAgent="UA/1"),
        [row("session_start", model="gpt-5", user_agent="UA/1")],
        {
            "interaction.session.mode": "voice",
            "interaction.session.voice": "Aoede",
            "interaction.session.client": '{"browser":"FF"}',
        },
    ),
    "session_start, resumed": (
        item("session_start", {"resumed": True}),
        [row("session_start")],
        {"interaction.session.resumed": "true"},
    ),
    "session_start, nothing said": (item("session_start"), [row("session_start")], {}),
    "session_end": (
        item("session_end", {"reason": "user_disconnect", "duration": 61_500}),
        [row("session_end", duration_ms=61_500)],
        {"interaction.session.end_reason": "user_disconnect"},
    ),
    "session_end, nothing said": (item("session_end") | {"content": None}, [row("session_end")], {}),
    "error": (
        item(
            "error",
            {"error": "boom", "stack": "Error: boom\n at f", "component": "Voice", "code": 504, "tries": 2},
            userAgent="UA/1",
            critical=True,
        ),
        [
            row(
                "error",
                status="error",
                severity="error",
                component="Voice",
                user_agent="UA/1",
                error_type="504",
                error_message="boom",
                stack="Error: boom\n at f",
                critical=True,
            )
        ],
        {"interaction.details": '{"tries":2}', "interaction.critical": "true"},
    ),
    "error, not critical": (
        item("error", {"error": "boom", "critical": "false"}),
        [row("error", status="error", severity="error", error_type="_OTHER", error_message="boom")],
        {"interaction.critical": "false"},
    ),
    "exchange": (
        {
            "user_message": "How?",
            "ai_response": "So.",
            "mood": "calm",
            "response_time_ms": 850,
            "user_ip": "203.0.113.7",
            "user_agent": "UA/1",
            "user_id": "u-1",
            "plan": "pro",
            "metadata": {"timestamp": AT, "model": "gpt-5", "ab": "B"},
        },
        [
            row(
                "assistant_response",
                ts="2023-12-31 23:59:59.150000000",
                duration_ms=850,
                role="assistant",
                output_text="So.",
                model="gpt-5",
                client_ip="203.0.113.7",
                user_agent="UA/1",
            ),
            row(
                "user_message",
                ts="2023-12-31 23:59:59.150000000",
                role="user",
                input_text="How?",
                client_ip="203.0.113.7",
                user_agent="UA/1",
            ),
        ],
        {"interaction.extra": '{"plan":"pro"}', "interaction.metadata": '{"ab":"B"}'},
    ),
    "exchange, no answer": (
        {"user_message": "How?", "aiResponse": None, "user_id": "u-1", "metadata": {"timestamp": AT}},
        [row("user_message", role="user", input_text="How?")],
        {},
    ),
    "circumstances": (
        {
            "interactionType": "user_message",
            "userId": 42,
            "eventId": "e-1",
            "timestamp": "2024-01-01T01:00:00+01:00",
            "content": {"text": ""},
            "url": "https://x.example/?q=1",
            "source": "client",
            "service": "shop",
            "environment": "test",
            "metadata": {"component": "Chat", "source": "not this one", "timestamp": AT + 5, "userIp": "::1"},
        },
        [
            row(
                "user_message",
                user_id="42",
                role="user",
                url="https://x.example/?q=1",
                source="client",
                component="Chat",
                client_ip="::1",
                service="shop",
                environment="test",
            )
        ],
        {"interaction.id": "e-1"},
    ),
}


@pytest.fixture(scope="module")
def stored(client: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of all cases, sent as one batch, by case."""
    mark = secrets.token_hex(4)
    client.accept(PATH, [sent | {"session_id": f"{mark} {case}"} for case, (sent, _, _) in CASES.items()], len(CASES))
    found = client.rows(f"{mark} {case}" for case in CASES)
    return {case: found[f"{mark} {case}"] for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_rows(stored: dict[str, Any], told: Callable[[Any], Any], case: str) -> None:
    """All that a shape says stands in its columns, and nothing else does; what has no column is an attribute."""
    _, columns, kept = CASES[case]
    assert [told(each) for each in stored[case]] == columns
    for each in stored[case]:
        assert kept.items() <= each["attributes"].items()


@pytest.mark.parametrize("case", CASES)
def test_a_session_is_a_trace(stored: dict[str, Any], case: str) -> None:
    """Trace and root follow from the session id as in the SDK; only a new session's start is the root."""
    for each in stored[case]:
        trace_id, root = session_ids(each["session_id"])
        assert each["trace_id"] == f"{trace_id:032x}"
        is_root = case in {"session_start", "session_start, nothing said"}
        assert (each["span_id"] == f"{root:016x}", each.get("parent_span_id")) == (
            (True, None) if is_root else (False, f"{root:016x}")
        )


def test_one_conversation(client: Any, session: str) -> None:
    """A session told in JSON reads like any other: its transcript in order, its numbers, its end."""
    talk = [
        (0, "session_start", {"model": "gpt-5", "mode": "text"}, {}),
        (1000, "user_message", {"text": "Will it rain?"}, {}),
        (1500, "tool_call", {"function_name": "weather", "call_id": "c1", "arguments": {}}, {}),
        (1700, "tool_response", {"function_name": "weather", "call_id": "c1", "result": "yes"}, {"duration_ms": 200}),
        (3000, "assistant_response", {"text": "Yes."}, {"response_time_ms": 1900, "tokens": 3, "inputTokens": 40}),
        (3500, "user_message", {"text": "Thanks"}, {}),
        (3600, "error", {"error": "boom"}, {}),
        (4000, "session_end", {"reason": "completed", "duration": 4000}, {}),
    ]
    logs = [
        {"interaction_type": kind, "content": content, "metadata": {"timestamp": AT + ms, **metadata}}
        for ms, kind, content, metadata in reversed(talk)
    ]
    client.accept(PATH, {"sessionId": session, "userId": "u-2", "logs": logs}, len(talk))
    (found,) = client.rows([session], "sessions")[session]
    assert found == {
        "tenant": "default",
        "session_id": session,
        "trace_id": f"{session_ids(session)[0]:032x}",
        "user_id": "u-2",
        "started_at": TS,
        "last_activity_at": END,
        "ended_at": END,
        "status": "ended",
        "end_reason": "completed",
        "duration_ms": 4000,
        "interactions": 8,
        "user_messages": 2,
        "assistant_responses": 1,
        "tool_calls": 1,
        "errors": 1,
        "input_tokens": 40,
        "output_tokens": 3,
        "model": "gpt-5",
        "mode": "text",
    }
    transcript = client.rows([session], "transcript")[session]
    told = [(each["ts"][17:23], each["turn"], each["role"], each.get("text", "")) for each in transcript]
    assert told == [
        ("01.000", 1, "user", "Will it rain?"),
        ("01.500", 1, "tool", ""),
        ("03.000", 1, "assistant", "Yes."),
        ("03.500", 2, "user", "Thanks"),
    ]


def test_an_exchange_is_two_messages(client: Any, session: str) -> None:
    """The question stands where it was asked, the answer where it was complete."""
    client.accept(
        PATH,
        {"session_id": session, "user_message": "Q", "ai_response": "A", "response_time_ms": 800, "timestamp": AT},
    )
    found = client.rows([session], "transcript")[session]
    assert [(each["ts"], each["role"], each["text"]) for each in found] == [
        ("2023-12-31 23:59:59.200000000", "user", "Q"),
        (TS, "assistant", "A"),
    ]
