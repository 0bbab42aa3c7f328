"""Rows as the OpenTelemetry Collector's ClickHouse exporter writes them: its columns and nothing else."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

SECOND = 10**9


def exporter_row(attributes: dict[str, str], **fields: Any) -> dict[str, Any]:
    """Return the row of a span; `ts` and `duration` are nanoseconds."""
    ts = fields.pop("ts", time.time_ns())
    row = {
        "Timestamp": f"{ts // SECOND}.{ts % SECOND:09d}",
        "TraceId": secrets.token_hex(16),
        "SpanId": secrets.token_hex(8),
        "ParentSpanId": "",
        "TraceState": "",
        "SpanName": "span",
        "SpanKind": "Internal",
        "ServiceName": "shop",
        "ResourceAttributes": {"service.name": "shop", "deployment.environment.name": "test"},
        "ScopeName": "scope",
        "ScopeVersion": "1",
        "SpanAttributes": attributes,
        "Duration": fields.pop("duration", 0),
        "StatusCode": "Unset",
        "StatusMessage": "",
        "Events.Timestamp": [],
        "Events.Name": [],
        "Events.Attributes": [],
        "Links.TraceId": [],
        "Links.SpanId": [],
        "Links.TraceState": [],
        "Links.Attributes": [],
    }
    return row | fields


@pytest.fixture(scope="session")
def exporter(engine: Any) -> Callable[..., None]:
    """Insert rows as the exporter does: by the names of its columns, several rows an insert.

    A lone surrogate is the byte it escapes: text need not be UTF-8.
    """
    engine.database.command("INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', 1800)")

    def insert(*rows: dict[str, Any], into: str = "otel_traces") -> None:
        block = "\n".join(json.dumps(each, ensure_ascii=False) for each in rows).encode(errors="surrogateescape")
        engine.database._client.raw_insert(f"otel.{into}", list(rows[0]), block, fmt="JSONEachRow")

    return insert


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """Make the row of a span."""
    return exporter_row


@pytest.fixture(scope="session")
def stored(engine: Any, exporter: Callable[..., None]) -> Callable[..., Any]:
    """Store spans by their session, in one insert, and read them once; return what tells of a session."""

    def store(sessions: Mapping[str, Sequence[Any]]) -> Callable[[str, str], tuple[list[Any], list[str]]]:
        run, start = f"{secrets.token_hex(4)} ", time.time_ns() - 10_000 * SECOND
        rows, logs = [], []
        for session, spans in sessions.items():
            for i, span in enumerate(spans):
                written = _span_row(span, run + session, start + i * SECOND)
                rows.append(written)
                logs += [
                    {key: written[key] for key in ("Timestamp", "TraceId", "SpanId")}
                    | {"Timestamp": written["Timestamp"][:-9] + f"{k:09d}", "EventName": name}
                    | {"Body": body, "LogAttributes": attributes}
                    for k, (name, body, attributes) in enumerate(span.logs)
                ]
        exporter(*rows)
        exporter(*logs, into="otel_logs")
        ours, session = f"WHERE startsWith(session_id, '{run}')", f"substring(session_id, {len(run) + 1})"
        found: dict[str, tuple[list[dict[str, Any]], list[str]]] = {each: ([], []) for each in sessions}
        columns = "role, input_text, output_text, tool_name, tool_call_id, tool_arguments, tool_result"
        for name, span_id, *values in engine.ask(
            f"SELECT {session}, span_id, {columns} FROM otel.interactions {ours} ORDER BY ts"
        ):
            found[name][0].append(dict(zip(["span_id", *columns.split(", ")], [span_id, *values], strict=True)))
        tool = "concat(tool_name, ' ', tool_call_id, ' ', tool_arguments, ' = ', tool_result)"
        as_line = f"concat(role, ': ', if(role = 'tool', {tool}, text))"
        for name, line in engine.ask(f"SELECT {session}, {as_line} FROM otel.transcript {ours}"):
            found[name][1].append(line)
        raw = (
            "SELECT SpanId, arrayMap(value -> lower(hex(MD5(value))), mapValues(SpanAttributes)) FROM otel.otel_traces"
        )
        hashes = dict(engine.ask(f"{raw} WHERE startsWith(SessionId, '{run}')"))

        def tell(name: str, wanted: str) -> tuple[list[Any], list[str]]:
            """Return columns of the interactions and the transcript; `hashes` are of the attributes' values."""
            interactions, lines = found[name]
            whole = [each | {"hashes": hashes[each["span_id"]]} for each in interactions]
            return [tuple(each[column] for column in wanted.split(", ")) for each in whole], lines

        return tell

    return store


def _span_row(span: Any, session: str, ts: int) -> dict[str, Any]:
    says_what_it_is = {"interaction.type", "traceloop.span.kind", "ai.operationId"} & span.attributes.keys()
    return exporter_row(
        ({} if says_what_it_is else {"gen_ai.operation.name": "chat"}) | span.attributes | {"session.id": session},
        ts=ts,
        duration=SECOND // 2,
        ScopeName=span.scope,
        **{
            "Events.Timestamp": [ts // SECOND for _ in span.events],
            "Events.Name": [name for name, _, _ in span.events],
            "Events.Attributes": [{key: value} for _, key, value in span.events],
        },
    )
