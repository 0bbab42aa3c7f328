"""Exceptions nobody caught: the log has them, /health tells, and a collector without its journal or loader ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from balance import assert_balanced
from otlp_builders import span, traces
from processes import CollectorProcess

from collector.telemetry import Counters, Faults

# The collector, with one method that raises: {0} is where it is, {1} its class, {2} the method.
BROKEN = """
import {0}
def broken(*_):
    raise KeyError("broken by a test")
{0}.{1}.{2} = broken
from collector.__main__ import main
main()
"""


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Faults in this process; the hook of threads is given back in the end."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    return Faults(Counters())


def fail(error: BaseException) -> None:
    """Raise."""
    raise error


async def test_threads_and_tasks(faults: Faults, caplog: pytest.LogCaptureFixture) -> None:
    """An exception that ends a thread or is lost in a task is logged with its traceback, counted and remembered."""
    fatal = threading.Event()
    faults.watch(frozenset({"vital"}), fatal.set)
    for name in ("extra", "vital"):
        assert not fatal.is_set()
        thread = threading.Thread(target=fail, args=(ValueError(name),), name=name)
        thread.start()
        thread.join()
    assert fatal.is_set()
    assert faults.fatal == "the thread 'vital' ended: ValueError: vital"

    async def lost() -> None:
        fail(RuntimeError("in a task"))

    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    del task
    assert faults.sentences[:2] == ["the thread 'extra' ended: ValueError: extra", faults.fatal]
    assert faults.sentences[2].endswith("RuntimeError: in a task")
    assert faults._counters.snapshot() == {"uncaught_exceptions": 3}
    assert [record.levelname for record in caplog.records] == ["CRITICAL"] * 3
    assert all(record.exc_info for record in caplog.records)


async def test_what_is_no_fault(faults: Faults) -> None:
    """A thread that exits on purpose and a connection that broke say nothing about the collector."""
    faults.watch(frozenset({"vital"}), lambda: pytest.fail("nothing happened"))
    thread = threading.Thread(target=fail, args=(SystemExit(0),), name="vital")
    thread.start()
    thread.join()
    asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": ConnectionResetError()})
    asyncio.get_running_loop().call_exception_handler({"message": "Unclosed transport"})
    assert faults.sentences == []


async def test_only_the_last_are_kept(faults: Faults) -> None:
    """However many there are, memory stays bounded."""
    faults.watch(frozenset(), lambda: None)
    for number in range(50):
        asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": ValueError(number)})
    assert len(faults.sentences) == 10
    assert faults.sentences[-1] == "lost: ValueError: 49"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (("collector.load.worker", "Worker", "attempt"), "loader"),
        (("collector.journal.writer", "Journal", "_commit"), "journal"),
    ],
)
def test_without_journal_or_loader_it_ends(tmp_path: Path, where: tuple[str, str, str], name: str) -> None:
    """A collector whose journal or loader died exits 1 and says why; the next one stores what was acknowledged."""
    collector = CollectorProcess(tmp_path / "data", "--batch-seconds", "0.1", "--log-format", "json")
    collector.program = ["-c", BROKEN.format(*where)]
    collector.start()
    acknowledged = True
    try:
        reply = collector.post("/v1/traces", traces(span()).SerializeToString())
        acknowledged = reply.status_code == 200
    except httpx.TransportError:
        acknowledged = False
    assert acknowledged == (name == "loader")
    assert collector.process
    assert collector.process.wait(30) == 1
    *lines, sentence = collector.log.read_text().splitlines()
    (critical,) = [line for line in map(json.loads, lines) if line["level"] == "critical"]
    assert f"the thread '{name}' ended" in critical["message"]
    assert "KeyError: 'broken by a test'" in critical["exception"]
    assert f"the thread '{name}' ended" in sentence
    drained = any("everything acknowledged is in ClickHouse" in line for line in lines)
    assert drained == (not acknowledged)

    collector.program = ["-m", "collector"]
    collector.start()
    collector.wait_until_stored()
    assert_balanced(collector.health())
    assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": int(acknowledged)}]
    assert collector.stop() == 0


def test_unhealthy_afterwards(tmp_path: Path) -> None:
    """After a fault elsewhere the collector goes on, and /health says with 503 what cannot be trusted any more."""
    collector = CollectorProcess(tmp_path / "data", "--batch-seconds", "0.1")
    collector.program = ["-c", BROKEN.format("collector.health", "Probe", "_run")]
    collector.start()
    try:
        deadline = time.monotonic() + 20
        while (reply := httpx.get(f"http://{collector.endpoints['http']}/health")).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert reply.status_code == 503
        told = reply.json()
        assert told["status"] == "unhealthy"
        assert told["reasons"] == ["the thread 'health-probe' ended: KeyError: 'broken by a test'"]
        assert told["counters"]["uncaught_exceptions"] == 1
        collector.send(traces(span()))
    finally:
        assert collector.stop() == 0
