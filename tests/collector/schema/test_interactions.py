"""Spans become interactions, also those the OpenTelemetry exporter wrote."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

Row = Callable[..., dict[str, Any]]


def interaction(engine: Any, session: str, columns: str) -> list[Any]:
    """Return columns of the session's interactions, in order."""
    sql = f"SELECT {columns} FROM otel.interactions WHERE session_id = {{session:String}} ORDER BY ts"
    return engine.ask(sql, session=session)


def messages(*each: tuple[str, str]) -> str:
    """Return messages of one text part each, as the GenAI conventions write them."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in each])


@pytest.fixture
def session() -> str:
    """Name a session of this test's own."""
    return f"session-{secrets.token_hex(6)}"


def test_a_row_of_the_exporter(engine: Any, exporter: Any, row: Row, session: str) -> None:
    """A row with the exporter's columns only, its events and links nested, is an interaction and makes a session."""
    ts = time.time_ns()
    written = row(
        {
            "interaction.type": "error",
            "session.id": session,
            "user.id": "u1",
            "interaction.message": "it broke",
            "interaction.severity": "high",
            "interaction.critical": "true",
            "url.full": "https://example.org/",
            "odd": "kept",
        },
        ts=ts,
        duration=2_500_000,
        SpanName="checkout",
        StatusCode="Error",
        StatusMessage="not this one",
        **{
            "Events.Timestamp": [f"{ts / 1e9:.9f}"] * 2,
            "Events.Name": ["note", "exception"],
            "Events.Attributes": [{}, {"exception.type": "KeyError", "exception.stacktrace": "Traceback"}],
            "Links.TraceId": ["ab" * 16],
            "Links.SpanId": ["cd" * 8],
            "Links.TraceState": [""],
            "Links.Attributes": [{"k": "v"}],
        },
    )
    exporter(written)
    columns = (
        "tenant, trace_id, span_id, toUnixTimestamp64Nano(ts), duration_ms, type, name, user_id, input_text, severity, "
        "critical, show_to_user, url, status, error_type, error_message, stack, service, environment, dialect, "
        "attributes['odd'], cost_usd, metric_value"
    )
    assert interaction(engine, session, columns) == [
        (
            *("default", written["TraceId"], written["SpanId"], ts, 2.5, "error", "checkout", "u1", "it broke", "high"),
            *(True, False, "https://example.org/", "error", "KeyError", "it broke", "Traceback", "shop", "test"),
            *("otel_interactions", "kept", None, None),
        )
    ]
    found = engine.ask(
        "SELECT tenant, trace_id, user_id, service, interactions, errors, status FROM otel.sessions "
        "WHERE session_id = {session:String}",
        session=session,
    )
    assert found == [("default", written["TraceId"], "u1", "shop", 1, 1, "active")]
    times = engine.ask(
        "SELECT toUnixTimestamp(min(Start)), toUnixTimestamp(max(End)) FROM otel.otel_traces_trace_id_ts "
        "WHERE TraceId = {trace:String}",
        trace=written["TraceId"],
    )
    assert times == [(ts // 10**9, ts // 10**9)]


@pytest.mark.parametrize("attributes", [{}, {"http.method": "GET", "session.id": "x"}, {"db.system": "postgresql"}])
def test_plain_spans_are_no_interactions(engine: Any, exporter: Any, row: Row, attributes: dict[str, str]) -> None:
    """Infrastructure spans stay in otel_traces only."""
    written = row(attributes)
    exporter(written)
    for table, column, expected in (("otel_traces", "SpanId", 1), ("interactions", "span_id", 0)):
        sql = f"SELECT count() FROM otel.{table} WHERE {column} = {{span:String}}"
        assert engine.ask(sql, span=written["SpanId"]) == [(expected,)]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "generation"),
        ("text_completion", "generation"),
        ("execute_tool", "tool_call"),
        ("invoke_agent", "agent_run"),
    ],
)
def test_genai_operations(engine: Any, exporter: Any, row: Row, session: str, operation: str, kind: str) -> None:
    """Model calls, tool executions and agent runs of the GenAI conventions are interactions."""
    exporter(row({"gen_ai.operation.name": operation, "gen_ai.conversation.id": session}))
    assert interaction(engine, session, "type, dialect, conversation_id") == [(kind, "otel_genai", session)]


def test_a_generation(engine: Any, exporter: Any, row: Row, session: str) -> None:
    """A model call says what was asked last, what was answered, by which model and for how many tokens."""
    exporter(
        row(
            {
                "gen_ai.operation.name": "chat",
                "session.id": session,
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "m-1",
                "gen_ai.response.model": "m-1-2026",
                "gen_ai.usage.input_tokens": "12",
                "gen_ai.usage.output_tokens": "34",
                "gen_ai.response.finish_reasons": '["stop"]',
                "interaction.cost_usd": "0",
                "gen_ai.input.messages": messages(
                    ("system", "s"), ("user", "old"), ("assistant", "o"), ("user", "ask")
                ),
                "gen_ai.output.messages": messages(("assistant", "answer")),
            }
        )
    )
    columns = (
        "role, input_text, output_text, provider, model, response_model, input_tokens, output_tokens, finish_reason, "
        "cost_usd, mapContains(attributes, 'gen_ai.input.messages')"
    )
    assert interaction(engine, session, columns) == [
        ("user", "ask", "answer", "openai", "m-1", "m-1-2026", 12, 34, "stop", 0.0, False)
    ]


def test_a_trace_is_a_session_where_nobody_names_one(engine: Any, exporter: Any, row: Row) -> None:
    """Without a session's or a conversation's id, the trace holds the interactions together."""
    written = row({"gen_ai.operation.name": "chat"})
    exporter(written)
    assert len(interaction(engine, written["TraceId"], "1")) == 1


JUNK = [
    "",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "infinity",
    "1e300",
    "-1e300",
    "-1",
    "99999999999999999999",
    "0x10",
    "a",
    "1,5",
    "é",
]
NUMBERS = [
    "interaction.duration_ms",
    "interaction.response_time_ms",
    "interaction.cost_usd",
    "interaction.metric.value",
    "interaction.audio.duration_ms",
    "interaction.audio.bytes",
    "gen_ai.usage.input_tokens",
    "gen_ai.response.time_to_first_chunk",
]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_are_none(engine: Any, exporter: Any, row: Row, session: str, name: str) -> None:
    """Whatever stands where a number should, the row is stored, and session and transcript can be read."""
    kind = {"interaction.type": "user_message", "interaction.message": "hi", "session.id": session}
    exporter(*(row(kind | {name: value}) for value in JUNK))
    assert len(interaction(engine, session, "type")) == len(JUNK)
    where = "WHERE session_id = {session:String}"
    found = engine.ask(f"SELECT interactions, isFinite(duration_ms) FROM otel.sessions {where}", session=session)
    assert found == [(len(JUNK), 1)]
    assert engine.ask(f"SELECT count() FROM otel.transcript {where}", session=session) == [(len(JUNK),)]


@pytest.mark.parametrize(
    "junk",
    [
        *("", "[", "[{", '"', "[1]", "{}", "null", "[null]", "[[]]"),
        '[{"role":1,"parts":2}]',
        '[{"parts":[1,null,"a",{}]}]',
        "[" * 3000,
        '[{"a":' * 3000,
        '[{"role":"user","content":{"a":1}}]',
        '[{"role":"user","parts":[{"type":"text"}]}]',
    ],
)
def test_messages_that_are_none(engine: Any, exporter: Any, row: Row, session: str, junk: str) -> None:
    """Whatever stands where messages should, the row is stored and its text is empty or short, never an error."""
    names = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.response.finish_reasons")
    exporter(row({"gen_ai.operation.name": "chat", "session.id": session} | dict.fromkeys(names, junk)))
    assert len(interaction(engine, session, "input_text, output_text")) == 1


@pytest.mark.parametrize(
    ("start", "length"), [(0, 2**64 - 1), (0, 2**63), (2**63 - 1, 1), (2**63 - 1, 2**63), (1, 2**63 - 2)]
)
def test_times_at_the_edge(engine: Any, request_of: Any, tmp_path: Any, session: str, start: int, length: int) -> None:
    """A span from the beginning or to the end of time is stored, and its session and transcript can be read."""
    from otlp_builders import span, traces  # noqa: PLC0415 - only here

    values = {"interaction.type": "user_message", "interaction.message": "hi", "session.id": session}
    one = span("s", values, start_time_unix_nano=start, end_time_unix_nano=min(2**64 - 1, start + length))
    engine.store(tmp_path, request_of(traces(one).SerializeToString()))
    where = "WHERE session_id = {session:String}"
    (found,) = engine.ask(
        f"SELECT interactions, last_activity_at >= started_at, duration_ms >= 0 FROM otel.sessions {where}",
        session=session,
    )
    assert found == (1, 1, 1)
    assert engine.ask(f"SELECT text FROM otel.transcript {where}", session=session) == [("hi",)]
