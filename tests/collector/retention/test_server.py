"""Retention, archive and erasure where the rows are on a ClickHouse server."""

from __future__ import annotations

import time
from pathlib import Path

from otlp_builders import traces
from processes import CollectorProcess
from server_process import ClickHouseServer
from visits import DAY, ROWS, erased, interaction, send, together, visit

STRANGE = "a\tb\n\\N it's"  # what has to be written another way in a parameter's value over HTTP
COUNT = "SELECT count() AS n FROM otel.otel_traces"


def test_on_a_server(server: ClickHouseServer, tmp_path: Path) -> None:
    """Old rows are streamed into files here, and compared before they go there; a user goes from both."""
    flags = ("--clickhouse-url", server.url, "--batch-seconds", "0.2")
    collector = CollectorProcess(tmp_path / "data", *flags, "--retention-days", "0").start()
    past = time.time_ns() - 200 * DAY
    old = [interaction("user_message", "old", user, at=past) for user in ("ann", "ann", "bob")]
    visits = [visit(user, f"s-{user}", trace * 16) for user, trace in (("ann", "a1"), ("bob", "b2"), (STRANGE, "c3"))]
    send(collector, [traces(*old), *together(visits)])
    assert collector.stop() == 0
    collector.flags = flags
    collector.start()
    deadline = time.monotonic() + 60
    while server.ask(COUNT) != [{"n": 3 * ROWS["otel_traces"]}]:
        assert time.monotonic() < deadline, collector.log.read_text()[-2000:]
        time.sleep(0.2)
    [file] = (collector.data_dir / "archive").glob("otel_traces/*/*.parquet")
    before = file.stat().st_size
    told, strange = erased(collector, "ann", STRANGE)
    assert told["removed"] == ROWS | {"archived_traces": 2}
    assert not any(told["left"].values())
    assert strange["removed"] == ROWS
    assert server.ask(COUNT) == [{"n": ROWS["otel_traces"]}]
    assert file.stat().st_size < before
    assert b"bob" in file.read_bytes()
    assert b"ann" not in file.read_bytes()
    assert collector.health()["reasons"] == []
    assert collector.stop() == 0
