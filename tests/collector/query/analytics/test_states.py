"""Sessions by status, and errors."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp())


def test_sessions_by_status(world: Any, make: Any) -> None:
    """By what they are now, among those that began in the time that is asked for."""
    now = time.time() - NOON
    world.happened(
        make(now - 60, "session_start", "active"),
        make(now - 60, "session_start", "ended"),
        make(now - 30, "error", "ended"),
        make(now - 20, "session_end", "ended", attributes={"interaction.session.end_reason": "done"}),
        make(now - 7200, "user_message", "left"),
        make(now - 7100, "user_message", "left"),
        make(now - 99_999, "session_start", "before"),
        make(now - 50, "event", "before"),
    )
    world.happened(make(now - 60, "session_start", "active"), tenant=f"{world.tenant}-2")
    columns = ("status", "end_reason", "sessions", "avg_duration_seconds", "avg_interactions", "with_errors")
    window = {"since": f"{now + NOON - 9000:.3f}", "until": f"{now + NOON + 9:.3f}"}
    assert world.answers("sessions_by_status", *columns, **window) == [
        ("abandoned", "", 1, 100.0, 2.0, 0),
        ("active", "", 1, 0.0, 1.0, 0),
        ("ended", "done", 1, 40.0, 3.0, 1),
    ]
    assert world.answers("sessions_by_status", "avg_user_messages", **window) == [(2.0,), (0.0,), (0.0,)]


def test_unresolved_errors(world: Any, make: Any) -> None:
    """What is alike is one line, with the last message; what came in as resolved is none, nor is a session's end."""
    timeout = {"error": "Timeout", "component": "api", "StatusCode": "Error"}
    world.happened(
        make(9, "error", "a", user="ann", message="the last", **timeout),
        make(0, "error", "a", user="ann", message="the first", critical="true", **timeout),
        make(5, "error", "b", message="another", **timeout),
        make(6, "error", "b", message="done", attributes={"interaction.resolved": "true"}, **timeout),
        make(7, "tool_call", "b", user="bob", error="ValueError", StatusCode="Error", StatusMessage="not a number"),
        make(8, "session_end", "b", StatusCode="Error"),
        make(8, "event", "b"),
    )
    world.happened(make(1, "error", "a", message="theirs", **timeout), tenant=f"{world.tenant}-2")
    columns = ("type", "error_type", "component", "errors", "critical_errors", "sessions", "users", "sample")
    assert world.answers("unresolved_errors", *columns) == [
        ("error", "Timeout", "api", 3, 1, 2, 1, "the last"),
        ("tool_call", "ValueError", "", 1, 0, 1, 1, "not a number"),
    ]
    first = world.ask("unresolved_errors", limit=1)
    assert [(row["first_at"].second, row["last_at"].second) for row in first] == [(0, 9)]
