"""Large results in little memory, and readers who are in nobody's way."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess, running

MIB = 1 << 20
ROWS = 3_000_000
LARGE = f"SELECT number, repeat('x', 100) AS text FROM numbers({ROWS})"  # 300 MiB and more


@contextlib.contextmanager
def most_memory(pid: int) -> Iterator[list[int]]:
    """Give the most a process had in memory, bytes, before and during the block."""
    process = psutil.Process(pid)
    seen = [process.memory_info().rss] * 2
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            seen[1] = max(seen[1], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


@pytest.mark.parametrize(
    ("output_format", "settings"),
    [
        ("JSONEachRow", {}),
        ("CSVWithNames", {}),
        ("Native", {"client_protocol_version": "54460"}),
        ("RowBinaryWithNamesAndTypes", {"compress": "1"}),
        ("ArrowStream", {}),
        ("TSV", {"enable_http_compression": "1"}),
    ],
)
def test_a_large_result_in_little_memory(patient_sql, output_format: str, settings: dict[str, str]) -> None:
    """300 MiB pass through, and the server is never 150 larger: what it keeps does not grow with the result."""
    size = 0
    accepted = {"accept-encoding": "gzip" if "enable_http_compression" in settings else "identity"}
    with (
        most_memory(patient_sql.pid) as seen,
        patient_sql.http.stream(
            "POST", "/", content=LARGE, params={"default_format": output_format, **settings}, headers=accepted
        ) as reply,
    ):
        assert reply.status_code == 200
        for piece in reply.iter_bytes():
            size += len(piece)
    assert "compress" in settings or output_format == "ArrowStream" or size > 300 * MIB
    assert seen[1] - seen[0] < 150 * MIB, f"{(seen[1] - seen[0]) / MIB:.0f} MiB"


def test_a_client_that_takes_its_time(patient_sql) -> None:
    """What nobody takes is not made: the server waits with the client, and holds little meanwhile."""
    with most_memory(patient_sql.pid) as seen, patient_sql.http.stream("POST", "/", content=LARGE) as reply:
        pieces = reply.iter_bytes(MIB)
        for _ in range(10):
            next(pieces)
            time.sleep(0.1)
        ahead = json.loads(patient_sql.text("SELECT max(read_rows) FROM system.processes WHERE query LIKE '%repeat%'"))
        assert ahead < ROWS
    assert seen[1] - seen[0] < 150 * MIB


def test_progress_while_it_runs(patient_sql) -> None:
    """send_progress_in_http_headers: lines that grow, in the head of the response; none unless asked for."""
    slow = "SELECT sleepEachRow(0.1) FROM numbers(12) SETTINGS max_block_size = 1"
    settings = {"send_progress_in_http_headers": "1", "http_headers_progress_interval_ms": "200"}
    lines = patient_sql.ask(slow, **settings).headers.get_list("x-clickhouse-progress")
    reports = [json.loads(line) for line in lines]
    assert 2 <= len(reports) <= 6
    assert all(isinstance(value, str) for report in reports for value in report.values())
    assert [int(report["read_rows"]) for report in reports] == sorted({int(report["read_rows"]) for report in reports})
    assert int(reports[-1]["elapsed_ns"]) > 10**9 // 2
    assert "x-clickhouse-progress" not in patient_sql.ask("SELECT sleep(0.3)").headers
    often = patient_sql.ask("SELECT sleep(1.8), sleep(1.7)", **settings | {"http_headers_progress_interval_ms": "1"})
    assert len(often.headers.get_list("x-clickhouse-progress")) <= 32  # Node takes 16 KiB of headers


HEAVY = [
    "SELECT sum(sipHash64(number)) FROM numbers(100000000000)",
    "SELECT number, repeat('x', 200) FROM numbers(100000000000) FORMAT JSONEachRow",
    "SELECT uniqExact(number % 1000000) FROM numbers(100000000000)",
    "SELECT number % 100000 AS k, count() FROM numbers(100000000000) GROUP BY k ORDER BY k FORMAT JSON",
]


def asked(sql_url: str, statement: str, ended: threading.Event) -> None:
    """Ask for something heavy until told to stop, and take all that comes."""
    with httpx.Client(base_url=sql_url, timeout=60) as http:
        while not ended.is_set():
            settings = {"max_execution_time": "2", "default_format": "Native", "client_protocol_version": "54460"}
            with (
                contextlib.suppress(httpx.RemoteProtocolError),
                http.stream("POST", "/", content=statement, params=settings) as reply,
            ):
                for _ in reply.iter_raw():
                    if ended.is_set():
                        break


def acknowledged(collector: CollectorProcess, count: int, first: int) -> list[float]:
    """Send spans one request after the other; return how long each took until it was acknowledged, seconds."""
    took = []
    with httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=60) as http:
        for number in range(first, first + count):
            body = traces(span("said", {"interaction.type": "user_message", "n": number})).SerializeToString()
            started = time.monotonic()
            assert http.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
            took.append(time.monotonic() - started)
            time.sleep(0.02)
    return took


def test_readers_do_not_stop_writers(tmp_path: Path) -> None:
    """With more heavy readers than slots, who never pause, requests are acknowledged soon, and stored meanwhile."""
    with running(tmp_path / "data", "--batch-seconds", "0.2") as collector:
        sql_url = f"http://{collector.endpoints['sql']}"
        acknowledged(collector, 10, 0)
        ended = threading.Event()
        with ThreadPoolExecutor(12) as readers:
            for number in range(12):
                readers.submit(asked, sql_url, HEAVY[number % len(HEAVY)], ended)
            try:
                time.sleep(1)
                took = acknowledged(collector, 20, 10)
                collector.wait_until_stored(20)  # they come behind the loader, but share the processors with it
            finally:
                ended.set()
        assert statistics.median(took) < 0.25
        assert max(took) < 2
        assert collector.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 30}]
