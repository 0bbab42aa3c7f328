"""Sessions as our SDK and an agent of a GenAI dialect record them, with logs and metrics, in many small requests."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_builders import POINTS, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess

SECOND = 10**9

Request = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest


def said(role: str, text: str) -> str:
    """Write a message as the GenAI conventions do."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def at(began: int, seconds: float, name: str, attributes: dict[str, Any], **fields: Any) -> Span:
    """Make a span so many seconds behind a moment, 0.5 s long."""
    start = began + int(seconds * SECOND)
    return span(name, attributes, start_time_unix_nano=start, end_time_unix_nano=start + SECOND // 2, **fields)


def conversation(session: str, began: int) -> list[Request]:
    """Return a session of our own SDK's kind, in several requests."""
    trace = {"trace_id": secrets.token_bytes(16)}
    common = {"session.id": session, "user.id": f"user of {session}"}

    def one(seconds: float, kind: str, **attributes: Any) -> Request:
        given = common | {"interaction.type": kind} | {key.replace("__", "."): v for key, v in attributes.items()}
        return traces(at(began, seconds, kind, given, **trace))

    return [
        one(0, "session_start"),
        one(1, "user_message", interaction__message=f"What is {session}?", interaction__audio__duration_ms=300),
        one(2, "audio_input", interaction__audio__duration_ms=900, interaction__message="aloud"),
        one(3, "tool_call", gen_ai__tool__name="look", gen_ai__tool__call__id=session, gen_ai__tool__call__result="42"),
        one(4, "assistant_response", interaction__message="42", gen_ai__usage__output_tokens=7),
        one(4.6, "audio_output", interaction__audio__duration_ms=800, interaction__message="forty-two"),
        one(5, "ui_event", interaction__action="click", interaction__component="Again"),
        one(6, "error", interaction__message="broke", error__type="Oops", interaction__critical=True),
        one(7, "performance_metric", interaction__metric__name="LCP", interaction__metric__value=1.5),
        one(8, "session_end", interaction__session__end_reason="done"),
    ]


def agent(session: str, began: int) -> list[Request]:
    """Return an agent's run that names the session, and model calls in its trace that do not; one told by logs."""
    trace, root, mute = secrets.token_bytes(16), secrets.token_bytes(8), secrets.token_bytes(8)
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 11}
    call |= {"gen_ai.usage.output_tokens": 3, "gen_ai.provider.name": "openai"}
    inside = {"trace_id": trace, "parent_span_id": root}
    told = call | {"gen_ai.input.messages": said("user", "first"), "gen_ai.output.messages": said("assistant", "1st")}
    run = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "session.id": session}
    ids = {"trace_id": trace, "span_id": mute}
    events = {"gen_ai.choice": {"index": 0, "message": {"content": "2nd"}}}
    events |= {"gen_ai.user.message": {"content": "second"}}
    events |= {"gen_ai.system.message": {"content": "be brief"}, "gen_ai.assistant.message": {"content": "once more?"}}
    return [
        traces(at(began, 1, "chat", told, **inside)),
        traces(at(began, 2, "chat", call, parent_span_id=root, **ids)),
        logs(
            *(
                log_record(body, {"event.name": name}, event_name=name, time_unix_nano=began + 2 * SECOND + i, **ids)
                for i, (name, body) in enumerate(events.items())
            )
        ),
        traces(at(began, 0.5, "invoke_agent", run, trace_id=trace, span_id=root)),
    ]


def everything(apart_seconds: int = 100) -> list[Request]:
    """Return sessions of each kind, begun so far apart and long ago, logs, and metrics of every kind."""
    began = time.time_ns() - (3600 + 5 * apart_seconds) * SECOND
    sent: list[Request] = []
    for number in range(4):
        sent += conversation(f"session-{number}", began + number * apart_seconds * SECOND)
    sent += agent("of-an-agent", began + 5 * apart_seconds * SECOND)
    of_kinds = (metric(kind, *(point(kind, {"n": n}) for n in range(40)), name=kind) for kind in POINTS)
    return [*sent, metrics(*of_kinds), logs(*(log_record(f"line {n}") for n in range(40)))]


def send_in_parts(collector: CollectorProcess, requests: list[Request]) -> None:
    """Send them, and wait now and then until they are stored: sessions, and the agent's trace, come in pieces."""
    for number, request in enumerate(requests):
        collector.send(request)
        if number % 14 == 0:
            collector.wait_until_stored()
    collector.wait_until_stored()
