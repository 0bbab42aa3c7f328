"""Interactions made by hand, of a tenant that nobody else has, and the questions about them."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest

from collector.query import questions

SECOND = 10**9
NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp())  # what `at` counts from, in seconds
DAY = 86_400
ALWAYS = {"since": "2026-03-01", "until": "2026-04-01"}
SHORT = {
    "user": "user.id",
    "model": "gen_ai.request.model",
    "answered_by": "gen_ai.response.model",
    "provider": "gen_ai.provider.name",
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cached": "gen_ai.usage.cache_read.input_tokens",
    "cost": "interaction.cost_usd",
    "ms": "interaction.response_time_ms",
    "took": "interaction.duration_ms",
    "finish": "gen_ai.response.finish_reasons",
    "ttft": "gen_ai.response.time_to_first_chunk",
    "action": "interaction.action",
    "component": "interaction.component",
    "to": "interaction.state.to",
    "tool": "gen_ai.tool.name",
    "category": "interaction.category",
    "error": "error.type",
    "message": "interaction.message",
    "critical": "interaction.critical",
}


def fact(at: float, kind: str, session: str = "s", **fields: Any) -> dict[str, Any]:
    """Return one interaction, so many seconds from noon of 10 March 2026.

    Fields are those of `SHORT`, attributes by `attributes`, `says` for the message of `role`, and columns by name.
    """
    attributes = {"interaction.type": kind, "session.id": session} | fields.pop("attributes", {})
    if (says := fields.pop("says", None)) is not None:
        role = fields.pop("role", "user")
        said = [{"role": role, "parts": [{"type": "text", "content": says}]}]
        attributes[f"gen_ai.{'input' if role == 'user' else 'output'}.messages"] = json.dumps(said)
    attributes |= {SHORT[name]: str(fields.pop(name)) for name in list(fields) if name in SHORT}
    began = NOON * SECOND + round(at * SECOND)
    return {
        "Timestamp": _time(began),
        "ReceivedAt": _time(began + round(fields.pop("received", 2) * SECOND)),
        "ServiceName": "shop",
        "StatusCode": "Unset",
        "Duration": 0,
        "SpanId": secrets.token_hex(8),
        "SpanAttributes": attributes,
    } | fields


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09d}"


class World:
    """What happened to one tenant."""

    def __init__(self, engine: Any) -> None:
        """Nothing yet."""
        self.engine, self.tenant = engine, secrets.token_hex(8)

    def happened(self, *facts: dict[str, Any], tenant: str | None = None) -> None:
        """Store interactions, all in one insert, in the order given."""
        self.engine.database.insert("otel.otel_traces", [fact | {"Tenant": tenant or self.tenant} for fact in facts])

    def ask(self, question: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the answer for this tenant in March 2026, where nothing else is said."""
        given = {**questions.DEFAULTS, **ALWAYS, "tenant": self.tenant, **parameters}
        wanted = {name: given[name] for name in questions.parameters(question)}
        found = self.engine.database._client.query(questions.text(question), parameters=wanted)
        return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]

    def answers(self, question: str, *columns: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return some columns of the answer."""
        return [tuple(row[column] for column in columns) for row in self.ask(question, **parameters)]


@pytest.fixture
def world(engine: Any) -> World:
    """A tenant of this test alone, whose sessions are abandoned after half an hour."""
    made = World(engine)
    values = f"('{made.tenant}', 1800)"
    engine.database.command(f"INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES {values}")
    return made


@pytest.fixture(scope="session")
def make() -> Any:
    """Make one interaction."""
    return fact


@pytest.fixture
def new_world(engine: Any) -> Any:
    """Make a tenant for each of the examples of a property."""
    return lambda: World(engine)
