"""The contract's names: columns that users, Grafana and the exporter's own tools depend on."""

from __future__ import annotations

import re
from typing import Any

import pytest

# architecture.md, "Contract"
INTERACTIONS = """tenant, session_id, conversation_id, trace_id, span_id, parent_span_id, ts, received_at, duration_ms,
type, name, user_id, role, input_text, output_text, provider, model, response_model, input_tokens, output_tokens,
cached_tokens, reasoning_tokens, cost_usd, finish_reason, ttft_ms, tool_name, tool_call_id, tool_arguments, tool_result,
audio_duration_ms, audio_bytes, audio_mime_type, audio_url, category, severity, source, component, action, url,
user_agent, client_ip, from_state, to_state, metric_name, metric_value, status, error_type, error_message, stack,
critical, show_to_user, user_message, agent_name, service, environment, dialect, attributes"""
TRANSCRIPT = (
    """session_id, ts, turn, role, text, tool_name, tool_call_id, tool_arguments, tool_result, model, span_id"""
)
SESSIONS = """tenant, session_id, trace_id, user_id, service, started_at, last_activity_at, ended_at, status,
end_reason, duration_ms, interactions, user_messages, assistant_responses, tool_calls, errors, input_tokens,
output_tokens, cost_usd, model, mode"""

# reference/otlp-receiver.md, 1.1 and 1.2
MAP, TEXT, LOW = "Map(LowCardinality(String), String)", "String", "LowCardinality(String)"
TRACES = {
    "Timestamp": "DateTime64(9)",
    "TraceId": TEXT,
    "SpanId": TEXT,
    "ParentSpanId": TEXT,
    "TraceState": TEXT,
    "SpanName": LOW,
    "SpanKind": LOW,
    "ServiceName": LOW,
    "ResourceAttributes": MAP,
    "ScopeName": TEXT,
    "ScopeVersion": TEXT,
    "SpanAttributes": MAP,
    "Duration": "UInt64",
    "StatusCode": LOW,
    "StatusMessage": TEXT,
    "Events.Timestamp": "Array(DateTime64(9))",
    "Events.Name": f"Array({LOW})",
    "Events.Attributes": f"Array({MAP})",
    "Links.TraceId": "Array(String)",
    "Links.SpanId": "Array(String)",
    "Links.TraceState": "Array(String)",
    "Links.Attributes": f"Array({MAP})",
}
LOGS = {
    "Timestamp": "DateTime64(9)",
    "TraceId": TEXT,
    "SpanId": TEXT,
    "TraceFlags": "UInt8",
    "SeverityText": LOW,
    "SeverityNumber": "UInt8",
    "ServiceName": LOW,
    "Body": TEXT,
    "ResourceSchemaUrl": LOW,
    "ResourceAttributes": MAP,
    "ScopeSchemaUrl": LOW,
    "ScopeName": TEXT,
    "ScopeVersion": LOW,
    "ScopeAttributes": MAP,
    "LogAttributes": MAP,
    "EventName": TEXT,
    "TimestampTime": "DateTime",
}
TRACE_TIMES = {
    "TraceId": TEXT,
    "Start": "SimpleAggregateFunction(min, DateTime)",
    "End": "SimpleAggregateFunction(max, DateTime)",
}


def columns(engine: Any, table: str) -> dict[str, str]:
    """Return the columns of a table, in order."""
    sql = "SELECT name, type FROM system.columns WHERE database = 'otel' AND table = {table:String} ORDER BY position"
    return dict(engine.ask(sql, table=table))


@pytest.mark.parametrize(
    ("table", "names"), [("interactions", INTERACTIONS), ("transcript", TRANSCRIPT), ("sessions", SESSIONS)]
)
def test_contract(engine: Any, table: str, names: str) -> None:
    """The columns the contract names are there, in its order; others may follow between."""
    wanted = [name.strip() for name in names.split(",")]
    assert [name for name in columns(engine, table) if name in wanted] == wanted


def test_costs_and_metrics_may_be_unknown(engine: Any) -> None:
    """0 is a real cost and a real measurement, so absent ones are NULL."""
    assert columns(engine, "interactions")["cost_usd"] == "Nullable(Float64)"
    assert columns(engine, "interactions")["metric_value"] == "Nullable(Float64)"
    assert columns(engine, "interactions")["attributes"] == "Map(String, String)"
    assert "Nullable" in columns(engine, "sessions")["cost_usd"]


@pytest.mark.parametrize(
    ("table", "wanted"), [("otel_traces", TRACES), ("otel_logs", LOGS), ("otel_traces_trace_id_ts", TRACE_TIMES)]
)
def test_exporter_columns(engine: Any, table: str, wanted: dict[str, str]) -> None:
    """The exporter's columns have the exporter's types, so that its rows and its readers fit."""
    found = columns(engine, table)
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.fixture
def engines(engine: Any) -> dict[str, str]:
    """What keeps the rows of each table, with its settings."""
    sql = """SELECT name, engine_full FROM system.tables
      WHERE database = 'otel' AND engine LIKE '%MergeTree' AND name != 'schema_migrations'"""
    found = dict(engine.ask(sql))
    assert {"otel_traces", "otel_logs", "sessions_state", "otel_traces_trace_id_ts"} <= set(found)
    return found


def test_deduplication_reaches_every_table(engines: dict[str, str]) -> None:
    """Each table behind the views remembers tokens; one that does not would count a segment twice after a crash."""
    windows = {name: re.findall(r"non_replicated_deduplication_window = (\d+)", text) for name, text in engines.items()}
    assert {name for name, window in windows.items() if int(*window or [0]) < 1000} == set()


def test_every_table_is_synced(engines: dict[str, str]) -> None:
    """What ClickHouse has confirmed is on disk, in every table: the journal forgets it then."""
    synced = "fsync_after_insert = 1, fsync_part_directory = 1"
    assert {name for name, text in engines.items() if synced not in text} == set()


def test_the_inbox_mirrors_the_wire(engine: Any) -> None:
    """Each field of load/otlp.proto has a column under the same path in an inbox: what has none is dropped silently."""
    types = " ".join(columns(engine, "otlp_traces").values()) + " ".join(columns(engine, "otlp_logs").values())
    for field in [
        "trace_state",
        "parent_span_id",
        "kind",
        "dropped_attributes_count",
        "dropped_events_count",
        "dropped_links_count",
        "flags",
        "schema_url",
        "time_unix_nano",
        "observed_time_unix_nano",
        "severity_number",
        "severity_text",
        "event_name",
        "string_value",
        "bool_value",
        "int_value",
        "double_value",
        "bytes_value",
        "array_value",
        "kvlist_value",
        "received_unix_nano",
        "tenant",
        "peer",
    ]:
        assert f"{field} " in types, field
