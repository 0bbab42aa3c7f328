"""What ten tenants did in six hours long ago: few spans, of which every number can be counted by hand in Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_builders import span, traces

TENANTS = (*(f"tenant-{number}" for number in range(9)), "acme")
SERVICES = ("web", "it's one")
MODELS = {"gpt-4o": "openai", "claude-sonnet-4": "anthropic"}
HOURS = 6
SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Told:
    """One interaction as it was sent; times in seconds since 1970, durations in ms, cost in USD."""

    tenant: str
    service: str
    session: str
    user: str
    type: str
    at: float
    ms: float
    failed: bool
    model: str
    tokens_in: int
    cached: int
    tokens_out: int
    cost: float
    tool: str
    trace: str


def happened(since: int) -> list[Told]:
    """Make the interactions of these hours; the same each time, in whole seconds, none on the bounds."""
    made = random.Random(7)
    found: list[Told] = []
    for tenant in TENANTS:
        for number in range(6):
            session = f"{tenant} session {number}" if number else "the same id"
            service, user = made.choice(SERVICES), f"user-{made.randrange(3)}"  # the same ids in every tenant
            began = since + made.randrange(60, HOURS * 3600 - 600)
            found += _session(made, tenant, service, session, user, began)
    return found


def _session(made: random.Random, tenant: str, service: str, session: str, user: str, began: int) -> Iterator[Told]:
    kinds = ["user_message", *made.choices(("tool_call", "generation"), k=6)]
    kinds += ["assistant_response"] if tenant != "acme" else []  # its services record calls of models only
    kinds += ["error"] if made.random() < 0.3 else []
    trace = f"{made.getrandbits(128):032x}"
    for seconds, kind in enumerate(kinds):
        calls = kind == "generation"
        model = made.choice(sorted(MODELS)) if calls or kind == "assistant_response" else ""
        read = made.randrange(100, 5000) if calls else 0
        yield Told(
            tenant,
            service,
            session,
            user,
            kind,
            began + seconds * 10,
            float(made.randrange(50, 12_000)) if kind not in {"user_message", "error"} else 0,
            kind == "error" or (kind == "tool_call" and made.random() < 0.4),
            model,
            read,
            read // 4 if calls and made.random() < 0.5 else 0,
            made.randrange(10, 900) if calls else 0,
            made.randrange(1, 100) / 1000 if calls else 0,
            made.choice(("search", "book")) if kind == "tool_call" else "",
            trace,
        )


def requests_of(told: list[Told], tenant: str) -> Iterator[ExportTraceServiceRequest]:
    """Make what one tenant sends, a request a service."""
    for service in SERVICES:
        spans = [_span(each) for each in told if each.tenant == tenant and each.service == service]
        yield traces(*spans, resource={"service.name": service, "deployment.environment.name": "test"})


def _span(told: Told) -> Any:
    values: dict[str, Any] = {"interaction.type": told.type, "session.id": told.session, "user.id": told.user}
    if told.model:
        values |= {"gen_ai.request.model": told.model, "gen_ai.provider.name": MODELS[told.model]}
    if told.tokens_in:
        values |= {"gen_ai.usage.input_tokens": told.tokens_in, "gen_ai.usage.output_tokens": told.tokens_out}
        values |= {"gen_ai.usage.cache_read.input_tokens": told.cached, "interaction.cost_usd": told.cost}
    if told.tool:
        values |= {"gen_ai.tool.name": told.tool}
    start = int(told.at) * SECOND
    ends = start + int(told.ms * 1_000_000)
    more = {"status": {"code": 2}} if told.failed else {}
    ids = {"trace_id": bytes.fromhex(told.trace)}
    return span(told.type, values, start_time_unix_nano=start, end_time_unix_nano=ends, **more, **ids)
