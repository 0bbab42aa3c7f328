"""The power goes: what nobody synced is gone, ClickHouse's memory of tokens among it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from balance import assert_balanced
from otlp_builders import span, traces
from processes import CollectorProcess

SPANS = 30


@pytest.mark.parametrize("noticed", [True, False], ids=["after a boot", "unnoticed, to see that it matters"])
def test_between_insert_and_delete(tmp_path: Path, *, noticed: bool) -> None:
    """A segment is in ClickHouse and still in the journal, and ClickHouse has lost its token: nothing is stored twice.

    ClickHouse syncs rows where it is told to, but never its file of tokens; and that the journal's file was deleted
    may be lost as well.
    """
    collector = CollectorProcess(tmp_path / "data", "--batch-seconds", "3600").start()
    collector.send(traces(*(span("s", {"interaction.type": "event", "session.id": "dark"}) for _ in range(SPANS))))
    collector.kill()
    journal = collector.data_dir / "journal"
    shutil.copytree(journal, tmp_path / "before")
    collector.flags = ("--batch-seconds", "0.1")
    collector.start()
    collector.wait_until_stored()
    collector.kill()

    for path in (tmp_path / "before").iterdir():
        shutil.copy(path, journal)
    tokens = list(collector.data_dir.glob("clickhouse/**/deduplication_log_*.txt"))
    assert any(path.stat().st_size for path in tokens)
    for path in tokens:
        path.write_bytes(b"")
    if noticed:
        (collector.data_dir / "boot").write_text("another")
    collector.start()
    collector.wait_until_stored()
    health = collector.health()
    assert_balanced(health)
    assert health["counters"]["items_recovered"] == health["counters"]["items_stored"] == SPANS
    times = 1 if noticed else 2
    assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": SPANS * times}]
    assert collector.ask("SELECT interactions AS n FROM otel.sessions") == [{"n": SPANS * times}]
    deadline = time.monotonic() + 10
    while (collector.data_dir / "boot").read_text() == "another":
        assert time.monotonic() < deadline, "that all is settled was never written down"
        time.sleep(0.05)
    assert collector.stop() == 0
