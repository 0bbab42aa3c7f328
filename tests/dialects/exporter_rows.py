"""Rows as the OpenTelemetry Collector's ClickHouse exporter inserts them, read through our views.

A process of its own, as a process has one embedded engine: tables' rows and questions come in as a line of JSON on
standard input, the answers go out as a line on standard output, until the input ends.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from collector.clickhouse import ClickHouse
from collector.schema import migrator

# What its INSERT statements name (exporter/clickhouseexporter/internal/sqltemplates).
COLUMNS = {
    "otel_traces": [
        *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "SpanKind", "ServiceName"),
        *("ResourceAttributes", "ScopeName", "ScopeVersion", "SpanAttributes", "Duration", "StatusCode"),
        *("StatusMessage", "Events.Timestamp", "Events.Name", "Events.Attributes"),
        *("Links.TraceId", "Links.SpanId", "Links.TraceState", "Links.Attributes"),
    ],
    "otel_logs": [
        *("Timestamp", "TraceId", "SpanId", "TraceFlags", "SeverityText", "SeverityNumber", "ServiceName", "Body"),
        *("ResourceSchemaUrl", "ResourceAttributes", "ScopeSchemaUrl", "ScopeName", "ScopeVersion"),
        *("ScopeAttributes", "LogAttributes", "EventName"),
    ],
}


def main() -> None:
    """Insert, ask, answer, again and again."""
    with tempfile.TemporaryDirectory() as folder:
        database = ClickHouse(Path(folder), None)
        migrator.migrate(database)
        database.command("INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', 1800)")
        for line in sys.stdin:
            order: dict[str, Any] = json.loads(line)
            for table, rows in order["rows"].items():
                database.insert(f"otel.{table}", rows)
            answers = [database._client.query(sql).result_rows for sql in order["questions"]]
            print(json.dumps(answers, default=str), flush=True)
        database.close()


if __name__ == "__main__":
    main()
