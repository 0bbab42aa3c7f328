"""What the SDK records is what SQL answers: real SDK, real OTLP, real collector, real ClickHouse."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from balance import assert_balanced
from processes import CollectorProcess

import otel_interactions as oi

pytestmark = pytest.mark.usefixtures("recorder")


@pytest.fixture
def recorder(collector: CollectorProcess) -> Iterator[None]:
    """Configure the SDK of this process to send to the shared collector."""
    oi.configure(
        service_name="journey",
        environment="test",
        endpoint=f"http://{collector.endpoints['grpc']}",
        set_global=False,
    )
    yield
    oi.shutdown()


def interactions(collector: CollectorProcess, session: str) -> dict[str, dict[str, Any]]:
    """Return a session's interactions by type; each type must be there once."""
    assert oi.flush()
    collector.wait_until_stored()
    assert_balanced(collector.health())
    rows = collector.ask("SELECT * FROM otel.interactions WHERE session_id = {session:String}", session=session)
    assert len({row["type"] for row in rows}) == len(rows)
    return {row["type"]: row for row in rows}


def test_every_field_has_its_column(collector: CollectorProcess) -> None:
    """Each recording call fills the columns the contract names for it."""

    @oi.tool_call
    def weather(city: str) -> dict[str, object]:
        return {"city": city, "sky": "rain", "quote": 'a "b" \\ c / d'}

    with oi.session("journey-columns", user_id="u-7", model="gpt-5", mode="voice", voice="Aoede"):
        oi.user_message("Wie wird das Wetter? ☔")
        weather("Köln")
        oi.assistant_response(
            "Regen.",
            model="gpt-5",
            provider="openai",
            input_tokens=12,
            output_tokens=3,
            cost_usd=0.0,
            finish_reason="stop",
            response_time_ms=250.5,
            ttft_ms=40.0,
        )
        oi.audio_input(duration_ms=2300, size_bytes=73_600, mime_type="audio/pcm", url="s3://a/1", transcript="hello")
        oi.ui_event("click", "Button", url="https://x.example/?q=1", user_agent="UA/1")
        oi.state_transition("idle", "talking", event="start", duration_ms=12.5)
        oi.performance_metric("CLS", 0.0)
        oi.event("payment", "card declined", severity="warn", source="api")
        oi.error(ValueError("boom"), critical=True, component="cart", show_to_user=True, user_message="Sorry")

    found = interactions(collector, "journey-columns")
    expected: dict[str, dict[str, Any]] = {
        "session_start": {"user_id": "u-7", "model": "gpt-5"},
        "user_message": {"role": "user", "input_text": "Wie wird das Wetter? ☔"},
        "tool_call": {"role": "tool", "tool_name": "weather", "tool_arguments": '{"city":"Köln"}', "status": "ok"},
        "assistant_response": {
            "role": "assistant",
            "output_text": "Regen.",
            "provider": "openai",
            "input_tokens": 12,
            "output_tokens": 3,
            "cost_usd": 0,
            "finish_reason": "stop",
            "duration_ms": 250.5,
            "ttft_ms": 40,
        },
        "audio_input": {
            "audio_duration_ms": 2300,
            "audio_bytes": 73_600,
            "audio_mime_type": "audio/pcm",
            "audio_url": "s3://a/1",
            "input_text": "hello",
        },
        "ui_event": {"action": "click", "component": "Button", "url": "https://x.example/?q=1", "user_agent": "UA/1"},
        "state_transition": {"from_state": "idle", "to_state": "talking", "duration_ms": 12.5},
        "performance_metric": {"metric_name": "CLS", "metric_value": 0},
        "event": {"category": "payment", "input_text": "card declined", "severity": "warn", "source": "api"},
        "error": {
            "status": "error",
            "error_type": "ValueError",
            "error_message": "boom",
            "critical": True,
            "component": "cart",
            "show_to_user": True,
            "user_message": "Sorry",
        },
        "session_end": {},
    }
    assert set(found) == set(expected)
    for kind, columns in expected.items():
        shared = {"user_id": "u-7", "service": "journey", "environment": "test", "dialect": "otel_interactions"}
        assert {name: found[kind][name] for name in columns | shared} == shared | columns, kind
    assert json.loads(found["tool_call"]["tool_result"]) == {"city": "Köln", "sky": "rain", "quote": 'a "b" \\ c / d'}
    assert "ValueError: boom" in found["error"]["stack"]
    assert found["event"]["cost_usd"] is None
    numbers = sorted(int(row["attributes"]["interaction.sequence"]) for row in found.values())
    assert numbers == list(range(numbers[0], numbers[0] + 11)), "the process numbers what it records, without a gap"


def test_what_goes_on_behind_an_answer(collector: CollectorProcess) -> None:
    """Calls of a model, agents, retrievals and feedback have their columns; the transcript has each message once."""
    with oi.session("journey-models", user_id="u-8"), oi.agent_run("concierge", input="weather") as run:
        with oi.retrieval("umbrella", source="manuals") as search:
            search.documents([{"id": "m-1", "score": 0.5}])
        with oi.generation([{"role": "user", "content": "Umbrella?"}], model="gpt-5", provider="openai") as call:
            call.text("Take one.")
            call.set(
                response_model="gpt-5-2026", input_tokens=7, output_tokens=2, cached_tokens=4, finish_reason="stop"
            )
        run.output("Take one.")
        oi.feedback(True, comment="thanks", of=call)  # noqa: FBT003  as users write it

    found = interactions(collector, "journey-models")
    expected: dict[str, dict[str, Any]] = {
        "session_start": {},
        "agent_run": {"agent_name": "concierge", "input_text": "weather", "output_text": "Take one."},
        "retrieval": {"parent_span_id": found["agent_run"]["span_id"]},
        "generation": {
            "input_text": "Umbrella?",
            "output_text": "Take one.",
            "provider": "openai",
            "model": "gpt-5",
            "response_model": "gpt-5-2026",
            "input_tokens": 7,
            "output_tokens": 2,
            "cached_tokens": 4,
            "finish_reason": "stop",
            "parent_span_id": found["agent_run"]["span_id"],
        },
        "feedback": {},
        "session_end": {},
    }
    assert set(found) == set(expected)
    for kind, columns in expected.items():
        assert {name: found[kind][name] for name in columns} == columns, kind
    assert found["feedback"]["attributes"]["gen_ai.evaluation.score.label"] == "up"
    assert found["feedback"]["attributes"]["interaction.feedback.span_id"] == found["generation"]["span_id"]
    assert found["retrieval"]["attributes"]["gen_ai.retrieval.query.text"] == "umbrella"
    said = collector.ask("SELECT role, text FROM otel.transcript WHERE session_id = 'journey-models' ORDER BY ts")
    assert said == [{"role": "user", "text": "Umbrella?"}, {"role": "assistant", "text": "Take one."}]
    (session,) = collector.ask("SELECT input_tokens AS n FROM otel.sessions WHERE session_id = 'journey-models'")
    assert session["n"] == 7


def test_a_session_is_a_trace(collector: CollectorProcess) -> None:
    """All of a session is one trace, whose id is the hash of the session's id, below its start."""
    with oi.session("journey-trace") as session:
        oi.user_message("hi")
    found = interactions(collector, "journey-trace")
    digest = hashlib.sha256(b"journey-trace").hexdigest()
    assert session.trace_id == digest[:32]
    assert {row["trace_id"] for row in found.values()} == {digest[:32]}
    assert found["session_start"]["span_id"] == digest[32:48]
    assert {row["parent_span_id"] for kind, row in found.items() if kind != "session_start"} == {digest[32:48]}


def test_start_is_visible_while_the_session_is_open(collector: CollectorProcess) -> None:
    """A session is stored as active from its first moment, without a flush."""
    with oi.session("journey-open"):
        for _ in range(200):
            found = collector.ask("SELECT status FROM otel.sessions WHERE session_id = 'journey-open'")
            if found:
                break
        assert found == [{"status": "active"}]
    assert oi.flush()
    collector.wait_until_stored()
    ended = collector.ask("SELECT status, end_reason AS why FROM otel.sessions WHERE session_id = 'journey-open'")
    assert ended == [{"status": "ended", "why": "completed"}]


async def test_concurrent_sessions_never_mix(collector: CollectorProcess) -> None:
    """Many conversations in one process at once: each transcript holds its own words, in order."""

    async def talk(number: int) -> None:
        async with oi.session(f"journey-mix-{number}", user_id=f"user-{number}"):
            for turn in range(3):
                oi.user_message(f"{number}: question {turn}")
                await asyncio.sleep(0.001)
                oi.assistant_response(f"{number}: answer {turn}")

    await asyncio.gather(*(talk(number) for number in range(20)))
    assert oi.flush()
    collector.wait_until_stored()
    rows = collector.ask(
        "SELECT session_id, groupArray(text) AS texts, groupArray(turn) AS turns "
        "FROM (SELECT * FROM otel.transcript WHERE session_id LIKE 'journey-mix-%' ORDER BY session_id, ts) "
        "GROUP BY session_id"
    )
    assert len(rows) == 20
    for row in rows:
        number = row["session_id"].rpartition("-")[2]
        assert row["texts"] == [f"{number}: {kind} {turn}" for turn in range(3) for kind in ("question", "answer")]
        assert row["turns"] == [1, 1, 2, 2, 3, 3]


def test_a_silent_session_is_not_abandoned(collector: CollectorProcess) -> None:
    """A heartbeat is activity of its session, and no interaction."""
    oi.configure(
        service_name="journey",
        endpoint=f"http://{collector.endpoints['grpc']}",
        set_global=False,
        heartbeat_seconds=0.3,
    )
    question = (
        "SELECT s.interactions AS interactions, s.errors AS errors, s.status AS status, s.duration_ms AS duration_ms, "
        "(SELECT count() FROM otel.interactions WHERE session_id = 'journey-silent') AS rows "
        "FROM otel.sessions AS s WHERE session_id = 'journey-silent'"
    )
    session = oi.session("journey-silent").start()
    oi.flush()
    collector.wait_until_stored()
    (before,) = (after,) = collector.ask(question)
    deadline = time.monotonic() + 30
    while after["duration_ms"] < before["duration_ms"] + 1000:
        assert time.monotonic() < deadline, after
        time.sleep(0.3)
        oi.flush()
        collector.wait_until_stored()
        (after,) = collector.ask(question)
    session.end()
    assert (after["interactions"], after["rows"], after["errors"], after["status"]) == (1, 1, 0, "active")
    (beat, *_) = collector.ask("SELECT * FROM otel.otel_traces WHERE SpanName = 'session_heartbeat'")
    assert beat["SpanAttributes"]["session.id"] == "journey-silent"


def test_somebody_who_has_not_agreed(collector: CollectorProcess) -> None:
    """Nothing in storage tells who it was, and the session reads right by its other name."""
    mail = "jane.roe@example.org"
    with oi.session("journey-of-jane", user_id="u-jane", consent=False) as session:
        oi.user_message(f"I am {mail}")
        oi.assistant_response(f"Hello {mail}")
    rows = interactions(collector, session.recorded_id)
    assert rows["user_message"]["input_text"] == "I am [email]"
    assert rows["user_message"]["user_id"].startswith("anon-")
    (found,) = collector.ask("SELECT * FROM otel.sessions WHERE session_id = {s:String}", s=session.recorded_id)
    assert (found["status"], found["user_messages"], found["trace_id"]) == ("ended", 1, session.trace_id)
    stored = json.dumps(collector.ask("SELECT * FROM otel.otel_traces WHERE TraceId = {t:String}", t=session.trace_id))
    assert "jane" not in stored
