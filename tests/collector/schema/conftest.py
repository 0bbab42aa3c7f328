"""Rows as the OpenTelemetry Collector's ClickHouse exporter writes them: its columns and nothing else."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
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
    """Insert rows as the exporter does: by the names of its columns, several rows an insert."""
    engine.database.command("INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', 1800)")

    def insert(*rows: dict[str, Any]) -> None:
        block = "\n".join(map(json.dumps, rows)).encode()
        engine.database._client.raw_insert("otel.otel_traces", list(rows[0]), block, fmt="JSONEachRow")

    return insert


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """Make the row of a span."""
    return exporter_row
