"""A segment of metrics becomes rows of five tables, once in each."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import POINTS, metric, metrics, point

from collector.load.decoder import Decoder
from collector.load.stored import Stored
from collector.load.tables import Tables
from collector.request import Request, Signal

DAY = 86_400 * 10**9
Make = Callable[..., Request]
TABLES = [f"otel.otel_metrics_{kind}" for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")]


def of_kinds(*kinds: str, points: int = 1, **fields: Any) -> bytes:
    """Return a metrics body with so many data points of each of these kinds."""
    return metrics(
        *(metric(kind, *(point(kind, **fields) for _ in range(points))) for kind in kinds)
    ).SerializeToString()


def stored(engine: Any, name: str) -> dict[str, int]:
    """Count the rows of a segment in each of the five tables."""
    sql = "SELECT count() FROM {} WHERE JournalSegment = {{name:String}}"
    return {table: engine.ask(sql.format(table), name=name)[0][0] for table in TABLES}


def newest_blocks(engine: Any) -> dict[str, int]:
    """Return the number of the newest block written to each table, by partition and table."""
    sql = """SELECT concat(table, ' ', partition), max(max_block_number) FROM system.parts
      WHERE database = 'otel' AND table LIKE 'otel_metrics_%' GROUP BY 1"""
    return dict(engine.ask(sql))


def test_the_same_segment_twice_changes_no_table(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """The token holds on every one of the five tables, and it is the segment that is recognised, not the rows."""
    request = request_of(of_kinds(*POINTS, points=3, time_unix_nano=5 * DAY), Signal.METRICS)
    path = engine.freeze(tmp_path, request)
    engine.insert(path)
    once, blocks = stored(engine, path.stem), newest_blocks(engine)
    assert once == dict.fromkeys(TABLES, 3)
    for _ in range(2):
        engine.insert(path)
    assert stored(engine, path.stem) == once
    assert newest_blocks(engine) == blocks
    other = engine.store(tmp_path, request)
    assert stored(engine, other) == once


@pytest.mark.parametrize("kind", POINTS)
def test_no_empty_parts(engine: Any, tmp_path: Path, request_of: Make, kind: str) -> None:
    """A segment that has nothing for a table writes nothing there."""
    before = newest_blocks(engine)
    name = engine.store(tmp_path, request_of(of_kinds(kind), Signal.METRICS))
    written = {each for each, number in newest_blocks(engine).items() if before.get(each) != number}
    assert {each.split()[0] for each in written} == {f"otel_metrics_{kind}"}
    assert {table: count for table, count in stored(engine, name).items() if count} == {f"otel.otel_metrics_{kind}": 1}
    assert engine.ask("SELECT count() FROM system.parts WHERE database = 'otel' AND rows = 0 AND active") == [(0,)]


def test_more_points_than_a_block(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """A segment may unfold to more rows than a block of ClickHouse holds, 65,409: stored whole, and once."""
    one = point("gauge", as_int=1, time_unix_nano=6 * DAY, start_time_unix_nano=0)
    two = point("sum", as_double=1, time_unix_nano=7 * DAY, start_time_unix_nano=0)
    body = metrics(
        metric("gauge", *[one] * 35_000), metric("sum", *[two] * 70_000), metric("gauge", *[one] * 35_000)
    ).SerializeToString()
    path = engine.freeze(tmp_path, request_of(body, Signal.METRICS))
    for _ in range(2):
        engine.insert(path)
        found = stored(engine, path.stem)
        assert found["otel.otel_metrics_gauge"] == found["otel.otel_metrics_sum"] == 70_000


def test_a_segment_of_several_days(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """A segment over many days goes to many partitions of each table under one token, once."""
    days = [request_of(of_kinds(*POINTS, time_unix_nano=n * DAY), Signal.METRICS) for n in (0, 1, 40, 400, 20_000)]
    path = engine.freeze(tmp_path, *days)
    for _ in range(2):
        engine.insert(path)
        assert stored(engine, path.stem) == dict.fromkeys(TABLES, 5)


def test_the_rows_say_where_they_came_from(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Tenant, peer, time of receipt and segment reach each row of their request in each table, and no other's."""
    sent = [
        request_of(of_kinds(*POINTS, points=number), Signal.METRICS, tenant=f"t{number}", peer=f"p{number}")
        for number in (1, 3, 2)
    ]
    name = engine.store(tmp_path, *sent)
    for table in TABLES:
        rows = engine.ask(
            f"SELECT Tenant, Peer, toUnixTimestamp64Nano(ReceivedAt), count() FROM {table} "
            "WHERE JournalSegment = {name:String} GROUP BY ALL",
            name=name,
        )
        assert sorted(rows) == sorted(
            (each.tenant, each.peer, each.received_unix_nano, int(each.tenant[1:])) for each in sent
        )


@pytest.mark.parametrize("kind", POINTS)
def test_rows_in_any_table_are_found(engine: Any, tmp_path: Path, request_of: Make, kind: str) -> None:
    """Asked whether something of a segment is stored, the loader looks into all five tables."""
    tables = Tables(engine.database)
    asking = Stored(engine.database, tables, Decoder(engine.database, tmp_path / "scratch"))
    path = engine.freeze(tmp_path, request_of(of_kinds(kind), Signal.METRICS))
    assert asking.among("metrics", [path.stem]) == set()
    engine.insert(path)
    assert asking.among("metrics", [path.stem]) == {path.stem}


def test_what_is_missing_is_inserted(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Of a segment whose token is forgotten, tables and days that are there are left alone, and the others filled."""
    tables = Tables(engine.database)
    asking = Stored(engine.database, tables, Decoder(engine.database, tmp_path))
    days = [request_of(of_kinds(*POINTS, time_unix_nano=n * DAY), Signal.METRICS) for n in (700, 701)]
    path = engine.freeze(tmp_path, *days)
    engine.insert(path, f"{path.stem}-forgotten")
    engine.database.command("ALTER TABLE otel.otel_metrics_gauge DROP PARTITION '1971-12-02'")
    for day in ("1971-12-02", "1971-12-03"):
        engine.database.command(f"ALTER TABLE otel.otel_metrics_sum DROP PARTITION '{day}'")
    there = dict.fromkeys(TABLES, 2)
    assert stored(engine, path.stem) == there | {"otel.otel_metrics_gauge": 1, "otel.otel_metrics_sum": 0}
    for _ in range(2):
        asking.complete(path, "metrics", path.stem)
        assert stored(engine, path.stem) == there


def test_each_view_alone(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Each view can be run over a segment by itself, as it is to find out which refuses a request."""
    route, decoder = Tables(engine.database).route("metrics"), Decoder(engine.database, tmp_path)
    path = engine.freeze(tmp_path, request_of(of_kinds(*POINTS), Signal.METRICS))
    assert len(route.steps) == 1 + len(POINTS)
    for step in route.steps:
        decoder.check(path, route, step)


def test_values_that_a_double_cannot_hold(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Integers above 2^53 are kept exactly, beside the double that the exporter would write."""
    name = secrets.token_hex(8)
    values = [2**53 + 1, 2**63 - 1, -(2**63)]
    sent = metrics(metric("sum", *(point("sum", as_int=value) for value in values), name=name))
    engine.store(tmp_path, request_of(sent.SerializeToString(), Signal.METRICS))
    rows = engine.ask(f"SELECT ValueInt, Value, ValueType FROM otel.otel_metrics_sum WHERE MetricName = '{name}'")
    assert sorted(rows) == sorted((value, float(value), "int") for value in values)
