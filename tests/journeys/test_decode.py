"""`--decode collector`: for a ClickHouse that cannot read protobuf the collector decodes, by the same SQL."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, SummaryDataPoint
from otlp_builders import POINTS, attributes, exemplar, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess
from senders import SENT
from server_process import ClickHouseServer

from collector.journal.segment import Segment
from collector.request import Request, Signal

DAY = 86_400 * 10**9
VALUES: dict[str, Any] = {
    "text": "zwölf ☃ \0 \\ '",
    "empty": "",
    "none": None,
    "yes": True,
    "int": -(2**63),
    "double": 1e21,
    "nan": float("nan"),
    "bytes": b"\0\xff",
    "list": ["a", 1, None, 2.5],
    "map": {"b": 1, "a": "x/y"},
}
SEEN = {
    "exemplars": [exemplar(VALUES, as_int=2**63 - 1, trace_id=b"t" * 16, span_id=b"s" * 8), exemplar(as_double=0.5)]
}
BUCKETS = {"offset": -3, "bucket_counts": [0, 2**64 - 1]}
OF_POINT: dict[str, dict[str, Any]] = {
    "gauge": SEEN | {"as_int": -(2**63), "flags": 1},
    "sum": SEEN | {"as_double": float("nan")},
    "histogram": SEEN | {"count": 3, "sum": 0.0, "max": 1e300, "bucket_counts": [1, 2], "explicit_bounds": [0.5]},
    "exponential_histogram": SEEN
    | {"count": 2**64 - 1, "scale": -2, "zero_count": 1, "positive": BUCKETS, "min": -1.5},
    "summary": {"count": 2, "sum": 3.0, "quantile_values": [SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.5)]},
}
OF_METRIC: dict[str, dict[str, Any]] = {"sum": {"is_monotonic": True, "aggregation_temporality": 2}}
TABLES = "SELECT name, engine FROM system.tables WHERE database = 'otel' AND engine LIKE '%MergeTree' ORDER BY name"
COLUMNS = """SELECT name, type FROM system.columns
WHERE database = 'otel' AND table = {table:String} AND default_kind != 'EPHEMERAL' ORDER BY position"""
OWN = {"schema_migrations", "tenant_settings", "model_prices"}  # written by the collector itself, with the time


def bodies(now: int) -> list[tuple[Signal, bytes, str]]:
    """Make requests of every kind, one of them not to be had into ClickHouse."""
    interactions = [
        span(f"i{number}", VALUES | {"interaction.type": "user_message", "session.id": f"s{number % 3}"})
        for number in range(20)
    ]
    days = [span("d", VALUES, start_time_unix_nano=now - n * DAY, end_time_unix_nano=now + n) for n in (0, 1, 400)]
    records = [log_record(VALUES, VALUES), log_record("plain", time_unix_nano=0, observed_time_unix_nano=now)]
    return [
        (Signal.TRACES, traces(*interactions, resource=VALUES).SerializeToString(), "a"),
        (Signal.TRACES, b"\x0a\x7fabc", "poison"),
        (Signal.TRACES, traces(*days).SerializeToString(), "b"),
        (Signal.TRACES, traces().SerializeToString(), "no spans"),
        (Signal.LOGS, logs(*records, resource=VALUES).SerializeToString(), "c"),
        (Signal.METRICS, metrics(*map(measured, POINTS), resource=VALUES).SerializeToString(), "d"),
    ]


def measured(kind: str) -> Metric:
    """Make a metric of a kind, of two days, with all that those of its kind have."""
    days = [{"time_unix_nano": time.time_ns() - n * DAY} for n in (0, 40)]
    own = {"metadata": attributes(VALUES), "unit": "ms"} | OF_METRIC.get(kind, {})
    return metric(kind, *(point(kind, VALUES, **OF_POINT[kind], **day) for day in days), name=kind, **own)


def journal(folder: Path) -> None:
    """Write what an earlier process left."""
    folder.mkdir(parents=True)
    now = time.time_ns()
    for signal in Signal:
        segment = Segment(folder, signal)
        segment.append([Request(kind, body, 1, "t", now, peer) for kind, body, peer in bodies(now) if kind is signal])
        segment.freeze()


def everything(server: ClickHouseServer) -> dict[str, list[str]]:
    """Return all rows of all tables, as text, sorted."""
    found = {}
    for table, engine in ((row["name"], str(row["engine"])) for row in server.ask(TABLES)):
        if table in OWN:
            continue
        columns = [
            f"finalizeAggregation(`{row['name']}`)" if str(row["type"]).startswith("Agg") else f"`{row['name']}`"
            for row in server.ask(COLUMNS.replace("{table:String}", f"'{table}'"))
        ]
        final = "FINAL" if engine.startswith("Aggregating") else ""
        rows = server.ask(f"SELECT {', '.join(columns)} FROM otel.{table} {final}")
        found[str(table)] = sorted(json.dumps(row) for row in rows)
    return found


def test_one_sql_two_places(server: ClickHouseServer, tmp_path: Path) -> None:
    """The same segments, decoded by the server and by the collector: the same rows in every table, the same letters."""
    journal(tmp_path / "left")
    outcomes = []
    for decode in ("clickhouse", "collector"):
        data = tmp_path / decode
        shutil.copytree(tmp_path / "left", data / "journal")
        flags = ("--clickhouse-url", server.url, "--parallel-loads", "2")
        collector = CollectorProcess(data, *flags, "--decode", decode)
        with contextlib.closing(_Running(collector)):
            collector.wait_until_stored(seconds=60)
        letters = [json.loads(path.read_text()) for path in sorted((data / "dead-letters").glob("*.json"))]
        outcomes.append((everything(server), [(letter["id"], letter["peer"], letter["code"]) for letter in letters]))
        assert not (data / "clickhouse").exists(), "the engine that decodes keeps no data"
        server.ask("DROP DATABASE otel SYNC FORMAT JSONEachRow")
    (decoded_there, letters_there), (decoded_here, letters_here) = outcomes
    assert decoded_there.keys() == decoded_here.keys()
    assert {table: len(rows) for table, rows in decoded_there.items()}.items() >= {
        ("otel_traces", 23),
        ("otel_logs", 2),
        *((f"otel_metrics_{kind}", 2) for kind in POINTS),
    }
    for table, rows in decoded_there.items():
        assert decoded_here[table] == rows, table
    assert letters_here == letters_there
    assert [peer for _, peer, _ in letters_here] == ["poison"]


def test_another_decoder(server: ClickHouseServer, tmp_path: Path) -> None:
    """Who decodes may be another one at each start, with segments in ClickHouse of which it never said so: once each.

    The third run finds the first request there, and inserts the second; the last one finds both.
    """
    collector = CollectorProcess(tmp_path / "data")

    def start(decode: str, **faults: float) -> None:
        server.faults(**faults)
        collector.flags = ("--clickhouse-url", server.url, "--batch-seconds", "0.1", "--decode", decode)
        collector.start()

    start("clickhouse", lie=1)
    send(collector, "first")
    wait_for(server, "first")
    collector.kill()
    start("clickhouse", refuse=1)
    send(collector, "second")
    collector.kill()
    start("collector", lie=1)
    wait_for(server, "first", "second")
    collector.kill()
    start("clickhouse")
    collector.wait_until_stored()
    assert stored(server) == once("first", "second")
    assert collector.stop() == 0


def send(collector: CollectorProcess, name: str) -> None:
    """Send a request of each signal."""
    for content in SENT.values():
        collector.send(content.make(name))


def once(*names: str) -> dict[tuple[str, object], object]:
    """Return what is stored of these requests if each is stored once."""
    tables = [each for content in SENT.values() for each in content.tables.items()]
    return {(table, name): rows for table, rows in tables for name in names}


def stored(server: ClickHouseServer) -> dict[tuple[str, object], object]:
    """Return how many rows of which request are in which table."""
    counted = (
        f"SELECT '{table}' AS place, {content.name} AS name, count() AS n FROM otel.{table} GROUP BY name"
        for content in SENT.values()
        for table in content.tables
    )
    return {(str(row["place"]), row["name"]): row["n"] for row in server.ask(" UNION ALL ".join(counted))}


def wait_for(server: ClickHouseServer, *names: str) -> None:
    """Wait until every table has something of each of these requests."""
    deadline = time.monotonic() + 120
    while stored(server).keys() < once(*names).keys():
        assert time.monotonic() < deadline, stored(server)
        time.sleep(0.1)


class _Running:
    def __init__(self, collector: CollectorProcess) -> None:
        self.collector = collector.start()

    def close(self) -> None:
        assert self.collector.stop() == 0
