"""Replays what Vercel's AI SDK recorded of the conversation of model_server.py: it has no Python package.

Recorded with the real SDK (ai 7.0.173 and 6.0.326), span by span; only ids and times are new.

- vercel: AI SDK 7, its OpenTelemetry, with what it says of usage and the context of the application's choice
- vercel_7_legacy: AI SDK 7, its LegacyOpenTelemetry
- vercel_6: AI SDK 6, session and user as metadata
"""

from __future__ import annotations

import functools
import json
import secrets
import time
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_builders import attributes, span, traces

FOLDER = Path(__file__).with_name("vercel")
RECORDINGS = ("vercel", "vercel_7_legacy", "vercel_6")


def recording(dialect: str, service: str, session: str, user: str) -> ExportTraceServiceRequest:
    """Return the spans of one dialect as of a minute ago, as the session and the user given."""
    text = (FOLDER / f"{dialect}.json").read_text().replace("{session}", session).replace("{user}", user)
    recorded: list[dict[str, Any]] = json.loads(text)
    fresh = functools.cache(lambda old: secrets.token_bytes(len(old) // 2))  # one new id an old one
    began = time.time_ns() - 60 * 10**9
    spans = [_span(each, began, fresh) for each in recorded]
    return traces(*spans, resource={"service.name": service}, scope=recorded[0]["scope"])


def _span(each: dict[str, Any], began: int, fresh: Any) -> Span:
    def at(seconds: float) -> int:
        return began + int(seconds * 1e9)

    events = [
        Span.Event(name=event["name"], time_unix_nano=at(event["at"]), attributes=attributes(event["attributes"]))
        for event in each["events"]
    ]
    return span(
        each["name"],
        each["attributes"],
        trace_id=fresh(each["trace"]),
        span_id=fresh(each["id"]),
        parent_span_id=fresh(each["parent"]) if each["parent"] else b"",
        kind=each["kind"],
        start_time_unix_nano=at(each["start"]),
        end_time_unix_nano=at(each["end"]),
        events=events,
    )
