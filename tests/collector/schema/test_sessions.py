"""A session is what its interactions say, in whatever order they arrive."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

Row = Callable[..., dict[str, Any]]
SECOND, HOUR = 10**9, 3600 * 10**9

# What happened, as (seconds before now, type, more attributes), and the status it must read as.
STORIES: dict[str, tuple[list[tuple[float, str, dict[str, str]]], str]] = {
    "active": ([(60, "session_start", {}), (30, "user_message", {}), (20, "assistant_response", {})], "active"),
    "abandoned": ([(7200, "session_start", {}), (7000, "user_message", {})], "abandoned"),
    "just before the idle time": ([(1700, "user_message", {})], "active"),
    "just after the idle time": ([(1900, "user_message", {})], "abandoned"),
    "ended": ([(60, "session_start", {}), (50, "user_message", {}), (40, "session_end", {})], "ended"),
    "ended long ago": ([(9000, "session_start", {}), (8000, "session_end", {})], "ended"),
    "activity after the end": ([(60, "session_start", {}), (40, "session_end", {}), (30, "event", {})], "ended"),
    "resumed": ([(90, "session_start", {}), (60, "session_end", {}), (30, "session_start", {})], "active"),
    "resumed and abandoned": ([(9000, "session_end", {}), (8000, "session_start", {})], "abandoned"),
    "resumed and ended again": (
        [(90, "session_start", {}), (60, "session_end", {}), (30, "session_start", {}), (10, "session_end", {})],
        "ended",
    ),
    "never started": ([(10, "event", {})], "active"),
}


def read(engine: Any, session: str, columns: str) -> tuple[Any, ...]:
    """Return columns of the session's one row."""
    sql = f"SELECT {columns} FROM otel.sessions WHERE session_id = {{session:String}}"
    (found,) = engine.ask(sql, session=session)
    return tuple(found)


@given(data=st.data())
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_status_in_any_order(engine: Any, exporter: Any, row: Row, data: st.DataObject) -> None:
    """Active, ended, abandoned, resumed: the status follows from when things happened, not from when they arrived."""
    now, mark = time.time_ns(), secrets.token_hex(4)
    rows = [
        row({"interaction.type": kind, "session.id": f"{mark} {story}"} | more, ts=now - int(ago * SECOND))
        for story, (happened, _) in STORIES.items()
        for ago, kind, more in happened
    ]
    shuffled = data.draw(st.permutations(rows))
    for at in range(0, len(shuffled), 10):
        exporter(*shuffled[at : at + 10])
    for story, (happened, status) in STORIES.items():
        ends = [ago for ago, kind, _ in happened if kind == "session_end"]
        found = read(engine, f"{mark} {story}", "status, toUnixTimestamp64Nano(ended_at), interactions")
        ended = now - int(min(ends) * SECOND) if status == "ended" else 0
        assert found == (status, ended, len(happened)), story


@given(data=st.data())
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_sums_in_any_order(engine: Any, exporter: Any, row: Row, data: st.DataObject) -> None:
    """Who, where, how long, how many, how much: the same whatever the order and however the rows are batched."""
    start, session = time.time_ns() - 100 * SECOND, secrets.token_hex(8)

    def at(seconds: int, kind: str, **more: Any) -> dict[str, Any]:
        fields = {key: more.pop(key) for key in ("duration", "StatusCode", "ServiceName") if key in more}
        texts = {key.replace("__", "."): str(value) for key, value in more.items()}
        return row(
            {"interaction.type": kind, "session.id": session} | texts,
            ts=start + seconds * SECOND,
            TraceId="5e" * 16,
            **fields,
        )

    rows = [
        at(0, "session_start", ServiceName="first", interaction__session__mode="chat"),
        at(1, "user_message", user__id="early"),
        at(
            2,
            "assistant_response",
            gen_ai__request__model="m1",
            gen_ai__usage__input_tokens=10,
            interaction__cost_usd=0.5,
        ),
        at(3, "generation", gen_ai__request__model="m2", gen_ai__usage__input_tokens=9, gen_ai__usage__output_tokens=3),
        at(4, "tool_call", StatusCode="Error"),
        at(5, "error", user__id="late"),
        at(6, "user_message", user__id=""),
        at(
            7,
            "session_end",
            interaction__session__end_reason="done",
            interaction__session__mode="voice",
            duration=SECOND,
        ),
    ]
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(1, len(rows) - 1))
    exporter(*shuffled[:cut])
    exporter(*shuffled[cut:])
    columns = (
        "tenant, trace_id, user_id, service, toUnixTimestamp64Nano(started_at), "
        "toUnixTimestamp64Nano(last_activity_at), duration_ms, interactions, user_messages, assistant_responses, "
        "tool_calls, errors, input_tokens, output_tokens, cost_usd, model, mode, status, end_reason"
    )
    assert read(engine, session, columns) == (
        *("default", "5e" * 16, "late", "first", start, start + 8 * SECOND, 8000.0, 8, 2, 1, 1, 2, 10, 3),
        *(0.5, "m2", "voice", "ended", "done"),
    )


@pytest.mark.parametrize("kind", ["session_end", "state_transition"])
def test_what_lies_before_a_moment_is_no_activity_after_it(engine: Any, exporter: Any, row: Row, kind: str) -> None:
    """The measured length of a session that ended, or of a state that was left, does not make the session longer."""
    session, now = secrets.token_hex(8), time.time_ns()
    exporter(
        row({"interaction.type": "session_start", "session.id": session}, ts=now - 10 * SECOND),
        row({"interaction.type": kind, "session.id": session, "interaction.duration_ms": "10000"}, ts=now),
    )
    assert read(engine, session, "toUnixTimestamp64Nano(last_activity_at), duration_ms") == (now, 10_000)


@pytest.mark.parametrize("first", [0, 1])
def test_the_trace_of_a_session_does_not_depend_on_the_order(engine: Any, exporter: Any, row: Row, first: int) -> None:
    """A session is a trace: where others carry its id too, the one that started it is named, come first or last."""
    session, now = secrets.token_hex(8), time.time_ns()
    kind = {"session.id": session}
    rows = [
        row(kind | {"interaction.type": "session_start"}, ts=now - SECOND, TraceId="aa" * 16),
        row(kind | {"gen_ai.operation.name": "chat"}, ts=now, TraceId="bb" * 16),
    ]
    exporter(rows[first])
    exporter(rows[1 - first])
    assert read(engine, session, "trace_id") == ("aa" * 16,)


def test_tenants_have_sessions_of_their_own(engine: Any, request_of: Any, tmp_path: Any) -> None:
    """The same session id of two tenants is two sessions, and each has the idle time of its tenant."""
    from otlp_builders import span, traces  # noqa: PLC0415 - only here

    session, now = secrets.token_hex(8), time.time_ns()
    engine.database.command(
        "INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', 1800), ('patient', 1e6)"
    )
    values = {"interaction.type": "event", "session.id": session}
    old = traces(span("s", values, start_time_unix_nano=now - HOUR, end_time_unix_nano=now - HOUR)).SerializeToString()
    engine.store(tmp_path, *(request_of(old, tenant=tenant) for tenant in ("patient", "hasty")))
    sql = "SELECT tenant, status FROM otel.sessions WHERE session_id = {session:String} ORDER BY tenant"
    assert engine.ask(sql, session=session) == [("hasty", "abandoned"), ("patient", "active")]


def test_unknown_costs_stay_unknown(engine: Any, exporter: Any, row: Row) -> None:
    """No cost on record is NULL, not 0; a cost of 0 is 0."""
    known, unknown = secrets.token_hex(8), secrets.token_hex(8)
    exporter(
        row({"interaction.type": "assistant_response", "session.id": known, "interaction.cost_usd": "0"}),
        row({"interaction.type": "assistant_response", "session.id": unknown}),
    )
    assert read(engine, known, "cost_usd") == (0.0,)
    assert read(engine, unknown, "cost_usd") == (None,)


@pytest.mark.parametrize("seconds", ["inf", "1e300", "1e18", "1e10"])
def test_any_idle_time(engine: Any, exporter: Any, row: Row, seconds: str) -> None:
    """However long the idle time a setting allows, sessions can be read, and are not abandoned before it."""
    session = secrets.token_hex(8)
    exporter(row({"interaction.type": "event", "session.id": session}, ts=time.time_ns() - HOUR))
    settle = "INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', {})"
    engine.database.command(settle.format(seconds))
    try:
        assert read(engine, session, "status") == ("active",)
    finally:
        engine.database.command(settle.format(1800))


def test_a_trace_belongs_to_one_session(engine: Any, exporter: Any, row: Row) -> None:
    """What names no session counts once for the session of its trace, however many runs say so in how many parts."""
    trace, mark = secrets.token_hex(16), secrets.token_hex(4)
    call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": "7"}
    exporter(row(call, TraceId=trace))
    for session in (f"{mark} b", f"{mark} a", f"{mark} a", f"{mark} b"):
        exporter(row({"gen_ai.operation.name": "invoke_agent", "session.id": session}, TraceId=trace))
    sql = f"SELECT session_id, interactions, input_tokens FROM otel.sessions WHERE startsWith(session_id, '{mark}')"
    assert sorted(engine.ask(sql)) == [(f"{mark} a", 3, 7), (f"{mark} b", 2, 0)]
    assert engine.ask(f"SELECT * FROM otel.sessions WHERE session_id = '{trace}'") == []
