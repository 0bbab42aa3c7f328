"""The five tables of metrics: the exporter's columns and types, and ours behind them."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

# clickhouseexporter/internal/sqltemplates/metrics_*_table.sql; its times are DateTime64(9) or, newest, DateTime
MAP, TEXT, LOW, TIME = "Map(LowCardinality(String), String)", "String", "LowCardinality(String)", "DateTime64(9)"
SHARED = {
    "ResourceAttributes": MAP,
    "ResourceSchemaUrl": TEXT,
    "ScopeName": TEXT,
    "ScopeVersion": TEXT,
    "ScopeAttributes": MAP,
    "ScopeDroppedAttrCount": "UInt32",
    "ScopeSchemaUrl": TEXT,
    "ServiceName": LOW,
    "MetricName": LOW,
    "MetricDescription": TEXT,
    "MetricUnit": TEXT,
    "Attributes": MAP,
    "StartTimeUnix": TIME,
    "TimeUnix": TIME,
    "Flags": "UInt32",
}
EXEMPLARS = {
    "Exemplars.FilteredAttributes": f"Array({MAP})",
    "Exemplars.TimeUnix": f"Array({TIME})",
    "Exemplars.Value": "Array(Float64)",
    "Exemplars.SpanId": "Array(String)",
    "Exemplars.TraceId": "Array(String)",
}
DISTRIBUTION = {"Count": "UInt64", "Sum": "Float64"}
EXTREMES = {"Min": "Float64", "Max": "Float64", "AggregationTemporality": "Int32"}
TABLES: dict[str, dict[str, str]] = {
    "otel_metrics_gauge": SHARED | EXEMPLARS | {"Value": "Float64"},
    "otel_metrics_sum": SHARED
    | EXEMPLARS
    | {"Value": "Float64", "AggregationTemporality": "Int32", "IsMonotonic": "Bool"},
    "otel_metrics_histogram": SHARED
    | EXEMPLARS
    | DISTRIBUTION
    | EXTREMES
    | {"BucketCounts": "Array(UInt64)", "ExplicitBounds": "Array(Float64)"},
    "otel_metrics_exponential_histogram": SHARED
    | EXEMPLARS
    | DISTRIBUTION
    | EXTREMES
    | {
        "Scale": "Int32",
        "ZeroCount": "UInt64",
        "PositiveOffset": "Int32",
        "PositiveBucketCounts": "Array(UInt64)",
        "NegativeOffset": "Int32",
        "NegativeBucketCounts": "Array(UInt64)",
    },
    "otel_metrics_summary": SHARED
    | DISTRIBUTION
    | {"ValueAtQuantiles.Quantile": "Array(Float64)", "ValueAtQuantiles.Value": "Array(Float64)"},
}
SETTINGS = (
    "non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, "
    "ttl_only_drop_parts = 1"
)


def columns(engine: Any, table: str) -> dict[str, str]:
    """Return the columns of a table, in order."""
    sql = "SELECT name, type FROM system.columns WHERE database = 'otel' AND table = {table:String} ORDER BY position"
    return dict(engine.ask(sql, table=table))


@pytest.mark.parametrize("table", TABLES)
def test_exporter_columns(engine: Any, table: str) -> None:
    """The exporter's columns have the exporter's types, so that its rows and its readers fit."""
    found = columns(engine, table)
    assert {name: found.get(name) for name in TABLES[table]} == TABLES[table]


@pytest.mark.parametrize("table", TABLES)
def test_order_and_durability(engine: Any, table: str) -> None:
    """Parts are days, sorted as the exporter's newest tables are, synced, and each table remembers tokens."""
    sql = "SELECT partition_key, sorting_key, engine_full FROM system.tables WHERE database = 'otel' AND name = '{}'"
    ((partition, sorting, full),) = engine.ask(sql.format(table))
    assert partition == "toDate(TimeUnix)"
    assert sorting == "ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix"
    assert all(setting in full for setting in SETTINGS.split(", ")), full


def sample(kind: str) -> Any:
    """Return a value of a type, as JSON."""
    if kind.startswith("Array("):
        return [sample(kind.removeprefix("Array(").removesuffix(")"))]
    if kind == TIME:
        return "2026-11-21 10:00:00.123456789"
    return {MAP: {"k": "v"}, "Bool": True, TEXT: "t", LOW: "t"}.get(kind, 1)


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_exporter(engine: Any, table: str) -> None:
    """A row as the exporter inserts it, by its column names: what it cannot say reads as it means it."""
    name = secrets.token_hex(8)
    row = {column: sample(kind) for column, kind in TABLES[table].items()} | {"MetricName": name}
    engine.database.insert(f"otel.{table}", [row])
    found = columns(engine, table)
    told = {
        "Tenant": "default",
        "ValueType": "double",
        "HasSum": True,
        "HasMin": True,
        "HasMax": True,
        "Exemplars.ValueType": ["double"],
        "Exemplars.ValueInt": [0],
        "Attributes": {"k": "v"},
    }
    wanted = {column: value for column, value in told.items() if column in found}
    sql = f"SELECT {', '.join(f'`{column}`' for column in wanted)} FROM otel.{table} WHERE MetricName = '{name}'"
    assert engine.ask(sql) == [tuple(wanted.values())]
