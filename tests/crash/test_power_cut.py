"""The power goes: what nobody synced is gone, ClickHouse's memory of tokens among it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import power
from balance import assert_balanced
from otlp_builders import span, traces
from processes import CollectorProcess
from server_process import ClickHouseServer

from collector import datadir
from collector.clickhouse import EMBEDDED_FOLDER
from collector.journal.names import READY
from collector.load import token_logs

SPANS = 30


def forget_tokens(engine: Path, keep: slice = slice(0)) -> None:
    """Leave a part of what the engine in this folder remembers of tokens."""
    tokens = list(engine.glob(token_logs.FILES))
    assert any(path.stat().st_size for path in tokens)
    for path in tokens:
        path.write_bytes(path.read_bytes()[keep])


def load_and_lose_the_answer(collector: CollectorProcess, folder: Path) -> None:
    """Send spans, let them be loaded, and kill the collector with their segment still in its journal.

    Only theirs: one from before is gone from it for good, as no machine has stopped.
    """
    journal = collector.data_dir / "journal"
    before = {_segment(path) for path in journal.glob("*")}
    collector.flags = ("--batch-seconds", "3600")
    collector.start()
    collector.send(traces(*(span("s", {"interaction.type": "event", "session.id": "dark"}) for _ in range(SPANS))))
    collector.kill()
    shutil.copytree(journal, folder)
    collector.flags = ("--batch-seconds", "0.1")
    collector.start()
    collector.wait_until_stored()
    collector.kill()
    for path in folder.iterdir():
        if _segment(path) not in before:
            shutil.copy(path, journal)


def _segment(path: Path) -> str:
    return path.name.partition(".")[0]


def test_between_insert_and_delete(tmp_path: Path) -> None:
    """A segment is in ClickHouse and still in the journal, and ClickHouse has lost its token: nothing is stored twice.

    ClickHouse syncs rows where it is told to, but never its file of tokens; and that the journal's file was deleted
    may be lost as well. (Where the boot goes unnoticed all is there twice: `test_stored.py::test_after_a_power_cut`.)
    """
    collector = CollectorProcess(tmp_path / "data")
    load_and_lose_the_answer(collector, tmp_path / "before")
    forget_tokens(collector.data_dir / EMBEDDED_FOLDER)
    assert (collector.data_dir / "settled").read_text() == datadir.after_boot()
    (collector.data_dir / "settled").write_text("boot of another day")
    collector.start()
    collector.wait_until_stored()
    health = collector.health()
    assert_balanced(health)
    assert health["counters"]["items_recovered"] == health["counters"]["items_stored"] == SPANS
    assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": SPANS}]
    assert collector.ask("SELECT interactions AS n FROM otel.sessions") == [{"n": SPANS}]
    deadline = time.monotonic() + 10
    while not (collector.data_dir / "settled").exists():
        assert time.monotonic() < deadline, "that all is settled was never written down"
        time.sleep(0.05)
    assert collector.stop() == 0


def test_a_torn_memory_of_tokens(tmp_path: Path) -> None:
    """A power cut, or a full disk, tears the last record of the engine's file of tokens: the next ones are read again.

    The engine appends to the torn record, and at its next start reads no further.
    """
    collector = CollectorProcess(tmp_path / "data")
    load_and_lose_the_answer(collector, tmp_path / "first")
    forget_tokens(collector.data_dir / EMBEDDED_FOLDER, slice(-10))
    load_and_lose_the_answer(collector, tmp_path / "second")
    collector.start()
    collector.wait_until_stored()
    assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 2 * SPANS}]
    assert collector.ask("SELECT interactions AS n FROM otel.sessions") == [{"n": 2 * SPANS}]
    assert collector.stop() == 0


def test_a_segment_in_parts_that_is_there_again(tmp_path: Path) -> None:
    """What was taken apart, because of one request in it, is deleted, and a power cut undoes that: it is stored once.

    The note that it was taken apart outlives the segment, or nobody would look for its parts.
    """
    collector = CollectorProcess(tmp_path / "data", "--batch-seconds", "2")
    collector.program = [str(power.SCRIPT)]
    collector.start()
    collector.send(traces(*(span("s", {"interaction.type": "event", "session.id": "dark"}) for _ in range(SPANS))))
    poison = traces(span("s")).SerializeToString() + b"\x08\x01"  # the field of all spans, as a number
    assert collector.post("/v1/traces", poison).status_code == 200
    collector.wait_until_stored()
    assert collector.health()["dead_letters"] == 1
    collector.kill()
    for deleted in (collector.data_dir / power.NOTES).glob("*" + READY):
        shutil.copy(deleted, collector.data_dir / "journal")
    (collector.data_dir / "settled").write_text("boot of another day")
    forget_tokens(collector.data_dir / EMBEDDED_FOLDER)
    collector.start()
    collector.wait_until_stored()
    assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": SPANS}]
    assert collector.ask("SELECT interactions AS n FROM otel.sessions") == [{"n": SPANS}]
    assert collector.stop() == 0


def test_of_a_server(server: ClickHouseServer, tmp_path: Path) -> None:
    """A server inserts, its machine loses its power before it answers, and it is soon back, without tokens.

    The collector has run all the while, and tries again: nothing is stored twice.
    """
    flags = ("--clickhouse-url", server.url, "--batch-seconds", "0.1")
    collector = CollectorProcess(tmp_path / "data", *flags).start()
    server.faults(die=1)
    collector.send(traces(*(span("s", {"interaction.type": "event", "session.id": "dark"}) for _ in range(SPANS))))
    server.process.wait(30)
    forget_tokens(server.folder)
    server.faults()
    server.start()
    collector.wait_until_stored()
    assert_balanced(collector.health())
    assert server.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": SPANS}]
    assert server.ask("SELECT interactions AS n FROM otel.sessions") == [{"n": SPANS}]
    assert collector.stop() == 0
