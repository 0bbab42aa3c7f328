"""Each shape of /api/log-interaction is a row that reads as it was meant."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

PATH = "/api/log-interaction"
TS = "2025-01-01 00:00:00.000000000"


def row(kind: str, **columns: Any) -> dict[str, Any]:
    return {"ts": TS, "type": kind, "name": kind, "status": "ok"} | columns


# What is sent, what stands in the columns, what is kept in attributes without a column.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = {
    "ui": (
        {"action": "click", "component": "GenerateButton", "details": {"x": 1, "y": [2]}, "metadata": {"build": 7}},
        row("ui_event", name="ui_event click", action="click", component="GenerateButton", source="client"),
        {"interaction.details": '{"x":1,"y":[2]}', "interaction.metadata": '{"build":7}'},
    ),
    "ui, all that a browser says": (
        {
            "action": "an action with a name so long that it does not make a name for a span",
            "details": "as text",
            "metadata": {"userAgent": "UA/1", "url": "https://x.example/"},
            "source": "kiosk",
            "userId": 7,
        },
        row(
            "ui_event",
            action="an action with a name so long that it does not make a name for a span",
            source="kiosk",
            user_agent="UA/1",
            url="https://x.example/",
            user_id="7",
        ),
        {"interaction.details": "as text"},
    ),
    "generation": (
        {"generationTime": 1830, "promptLength": 120, "provider": "openai", "success": True, "errorType": None},
        row("generation", ts="2024-12-31 23:59:58.170000000", duration_ms=1830, provider="openai"),
        {"interaction.prompt.length": "120"},
    ),
    "generation, failed": (
        {"generationTime": 5, "model": "gpt-5", "success": False, "errorType": "timeout", "error": "gave up"},
        row(
            "generation",
            ts="2024-12-31 23:59:59.995000000",
            duration_ms=5,
            model="gpt-5",
            status="error",
            error_type="timeout",
            error_message="gave up",
        ),
        {},
    ),
    "generation, failed without a word": (
        {"success": False},
        row("generation", status="error", error_type="_OTHER", error_message="_OTHER"),
        {},
    ),
    "generation, an error type tells": (
        {"promptLength": 0, "errorType": "quota"},
        row("generation", status="error", error_type="quota", error_message="quota"),
        {"interaction.prompt.length": "0"},
    ),
    "generation, succeeded at the second try": (
        {"generationTime": 5, "success": True, "errorType": "quota"},
        row("generation", ts="2024-12-31 23:59:59.995000000", duration_ms=5, error_type="quota"),
        {},
    ),
    "state": (
        {"fromState": "idle", "toState": "busy", "event": "START", "context": {"n": 0}, "duration": 1200.5},
        row("state_transition", from_state="idle", to_state="busy", duration_ms=1200.5),
        {"interaction.state.event": "START", "interaction.state.context": '{"n":0}'},
    ),
    "state, the first": (
        {"fromState": None, "toState": "idle"},
        row("state_transition", to_state="idle"),
        {},
    ),
    "performance": (
        {"metric": "LCP", "value": 1180.5, "unit": "ms"},
        row("performance_metric", name="performance_metric LCP", metric_name="LCP", metric_value=1180.5),
        {"interaction.metric.unit": "ms"},
    ),
    "error": (
        {
            "error": "x is undefined",
            "errorType": "TypeError",
            "stack": "TypeError: x\n at f",
            "component": "Plan",
            "props": {"id": 7},
            "userAgent": "UA/1",
            "critical": True,
        },
        row(
            "error",
            status="error",
            severity="error",
            error_type="TypeError",
            error_message="x is undefined",
            stack="TypeError: x\n at f",
            component="Plan",
            user_agent="UA/1",
            critical=True,
        ),
        {"interaction.props": '{"id":7}', "interaction.critical": "true"},
    ),
    "error, of an action": (
        {"error": "x", "action": "submit"},
        row("error", status="error", severity="error", error_type="_OTHER", error_message="x"),
        {"interaction.extra": '{"action":"submit"}'},
    ),
    "event": (
        {
            "category": "payment",
            "type": "warn",
            "message": "card declined",
            "details": {"attempt": 2},
            "url": "https://x.example/",
            "userAgent": "UA/1",
            "source": "api",
            "showToUser": True,
            "userMessage": "Sorry",
            "resolved": False,
        },
        row(
            "event",
            name="event payment",
            category="payment",
            severity="warn",
            input_text="card declined",
            url="https://x.example/",
            user_agent="UA/1",
            source="api",
            show_to_user=True,
            user_message="Sorry",
        ),
        {"interaction.resolved": "false", "interaction.details": '{"attempt":2}'},
    ),
    "event, nothing said": (
        {"category": "our own"},
        row("event", name="event our own", category="our own", severity="info"),
        {},
    ),
    "event, critical": (
        {"category": "system", "type": "fatal", "critical": True},
        row("event", name="event system", category="system", severity="error", critical=True),
        {},
    ),
}


@pytest.fixture(scope="module")
def stored(client: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of all cases, sent as one batch, by case."""
    mark = secrets.token_hex(4)
    common = {"timestamp": "2025-01-01T00:00:00Z"}
    events = [sent | common | {"sessionId": f"{mark} {case}"} for case, (sent, _, _) in CASES.items()]
    client.accept(PATH, {"events": events}, len(CASES))
    found = client.rows(f"{mark} {case}" for case in CASES)
    return {case: found[f"{mark} {case}"] for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_rows(stored: dict[str, Any], told: Callable[[Any], Any], case: str) -> None:
    """All that a shape says stands in its columns, and nothing else does; what has no column is an attribute."""
    _, columns, kept = CASES[case]
    assert [told(each) for each in stored[case]] == [columns]
    assert kept.items() <= stored[case][0]["attributes"].items()


def test_zero_is_a_value(client: Any, session: str) -> None:
    """A measurement of 0 is one."""
    client.accept(PATH, {"metric": "CLS", "value": 0, "sessionId": session})
    client.wait_until_stored()
    sql = "SELECT metric_value AS v FROM otel.interactions WHERE session_id = {s:String}"
    assert client.collector.ask(sql, s=session) == [{"v": 0}]


def test_without_a_session(client: Any) -> None:
    """An event without a session stands alone: in a trace of its own, found under the trace's id and by its user."""
    user = secrets.token_hex(8)
    click = {"action": "click", "sessionId": None, "userId": user, "timestamp": "2025-01-01T00:00:00Z"}
    client.accept(PATH, [click, click], 2)
    client.wait_until_stored()
    sql = "SELECT session_id, trace_id, parent_span_id FROM otel.interactions WHERE user_id = {user:String}"
    found = client.collector.ask(sql, user=user)
    assert len({each["trace_id"] for each in found}) == len(found) == 2
    assert all(each["session_id"] == each["trace_id"] and each["parent_span_id"] == "" for each in found)


def test_a_session_of_json_and_otlp(client: Any, session: str) -> None:
    """A browser's events and a server's spans meet in one trace and one session."""
    import otel_interactions as oi  # noqa: PLC0415 - only here

    oi.configure(service_name="server", endpoint=f"http://{client.collector.endpoints['grpc']}", set_global=False)
    try:
        with oi.session(session, user_id="u-1"):
            oi.user_message("Hi")
        assert oi.flush()
    finally:
        oi.shutdown()
    client.accept(PATH, {"action": "click", "sessionId": session})
    found = client.rows([session])[session]
    assert sorted(each["type"] for each in found) == ["session_end", "session_start", "ui_event", "user_message"]
    assert len({each["trace_id"] for each in found}) == 1
    (root,) = (each["span_id"] for each in found if each["type"] == "session_start")
    assert {each.get("parent_span_id") for each in found} == {None, root}
    (seen,) = client.rows([session], "sessions")[session]
    assert (seen["interactions"], seen["service"], seen["user_id"]) == (4, "server", "u-1")
