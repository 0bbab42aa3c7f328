"""What several boards share: variables, colours, and the ways from one board to another."""

from __future__ import annotations

from typing import Final

from dashboards.model import Column, Threshold, Variable

PREFIX: Final = "otel-interactions-"

TENANT: Final = Variable("tenant", "Tenant", "variables/tenant", filters=True)
SERVICE: Final = Variable("service", "Service", "variables/service", filters=True)
ENVIRONMENT: Final = Variable("environment", "Environment", "variables/environment", filters=True)
MODEL: Final = Variable("model", "Model", "variables/model", filters=True)
TYPE: Final = Variable("type", "Type", "variables/type", filters=True)
USER: Final = Variable("user", "User", description="A user's whole id; empty for all", filters=True)
SESSION: Final = Variable("session", "Session", description="A session's whole id; empty for all", filters=True)

GREEN, YELLOW, RED = "green", "orange", "red"


def rising(warn: float, bad: float) -> tuple[Threshold, ...]:
    """Return thresholds of what is bad when it is high."""
    return (Threshold(0, GREEN), Threshold(warn, YELLOW), Threshold(bad, RED))


def falling(bad: float, warn: float) -> tuple[Threshold, ...]:
    """Return thresholds of what is bad when it is low."""
    return (Threshold(0, RED), Threshold(bad, YELLOW), Threshold(warn, GREEN))


def session_url(session: str, tenant: str, trace: str = "") -> str:
    """Return the way to a session; the row has its id, tenant, times and perhaps trace in these columns."""
    address = (
        f"/d/{PREFIX}session?var-datasource=${{datasource}}&var-session=${{__data.fields.{session}:percentencode}}"
    )
    address += f"&var-tenant=${{__data.fields.{tenant}:percentencode}}"
    if trace:
        address += f"&var-trace=${{__data.fields.{trace}:percentencode}}"
    return f"{address}&from=${{__data.fields.from_ms}}&to=${{__data.fields.to_ms}}"


def hidden(*names: str) -> list[Column]:
    """Return columns that are there for links only."""
    return [Column(name, hidden=True) for name in names]


TO_SESSION: Final = ("Open the session", session_url("Session", "tenant"))
