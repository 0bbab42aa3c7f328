"""`--decode collector`: for a ClickHouse that cannot read protobuf the collector decodes, by the same SQL."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from otlp_builders import log_record, logs, span, traces
from processes import CollectorProcess
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
TABLES = "SELECT name, engine FROM system.tables WHERE database = 'otel' AND engine LIKE '%MergeTree' ORDER BY name"
COLUMNS = "SELECT name, type FROM system.columns WHERE database = 'otel' AND table = {table:String} ORDER BY position"
OWN = {"schema_migrations", "tenant_settings"}  # written by the collector itself, with the time


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
    ]


def journal(folder: Path) -> None:
    """Write what an earlier process left."""
    folder.mkdir(parents=True)
    now = time.time_ns()
    for signal in (Signal.TRACES, Signal.LOGS):
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
    }
    for table, rows in decoded_there.items():
        assert decoded_here[table] == rows, table
    assert letters_here == letters_there
    assert [peer for _, peer, _ in letters_here] == ["poison"]


class _Running:
    def __init__(self, collector: CollectorProcess) -> None:
        self.collector = collector.start()

    def close(self) -> None:
        assert self.collector.stop() == 0
