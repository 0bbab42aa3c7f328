"""The collector as a whole: its health, its counters, its end."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
from balance import assert_balanced
from otlp_builders import log_record, logs, span, traces
from processes import running


def test_every_request_has_a_fate(tmp_path: Path) -> None:
    """Received = refused + empty + journaled, and journaled = stored + waiting + dead, as /health tells."""
    with running(tmp_path / "data", "--batch-seconds", "0.2") as collector:
        for _ in range(3):
            collector.send(traces(span(), span()))
        collector.send(logs(log_record()))
        assert collector.post("/v1/traces", b"").status_code == 200
        assert collector.post("/v1/traces", b"\xff").status_code == 400
        assert collector.post("/v1/logs", b"{}", {"content-type": "text/plain"}).status_code == 415
        health = collector.health()
        count = health["counters"]
        assert count["requests_received"] == 7
        assert count["requests_refused"] == 2
        assert count["refused_malformed"] == count["refused_unsupported_media"] == 1
        assert count["requests_empty"] == 1
        assert count["requests_journaled"] == 4
        assert count["items_received"] == 7
        collector.wait_until_stored()
        health = collector.health()
        assert_balanced(health)
        assert (health["counters"]["requests_stored"], health["counters"]["items_stored"]) == (4, 7)
        assert health["status"] == "healthy"
        assert health["oldest_unsaved_seconds"] == 0


def test_what_waits_shows(tmp_path: Path) -> None:
    """What waits shows: how many requests, since when."""
    with running(tmp_path / "data", "--batch-seconds", "3600") as collector:
        collector.send(traces(span()))
        first = collector.health()
        assert_balanced(first)
        assert (first["queue_depth"], first["items_pending"]) == (1, 1)
        assert collector.health()["oldest_unsaved_seconds"] >= first["oldest_unsaved_seconds"]


def test_ctrl_c_ends_it_like_sigterm(tmp_path: Path) -> None:
    """SIGINT loads what waits and exits 0; the port is free, the address file is gone."""
    with running(tmp_path / "data", "--batch-seconds", "3600") as collector:
        collector.send(traces(span()))
        address = f"http://{collector.endpoints['http']}/health"
        assert collector.process
        collector.process.send_signal(signal.SIGINT)
        assert collector.process.wait(30) == 0
        assert "everything acknowledged is in ClickHouse" in collector.log.read_text()
        try:
            httpx.get(address)
        except httpx.TransportError:
            answered = False
        else:
            answered = True
        assert not answered
        assert not (tmp_path / "data" / "endpoints.json").exists()


def test_the_embedded_engine_keeps_no_logs_of_its_own(tmp_path: Path) -> None:
    """What ClickHouse logs about itself it writes at its end at the latest: its folder then has our database only."""
    with running(tmp_path / "data", "--batch-seconds", "0.2") as collector:
        collector.send(traces(span()))
        collector.wait_until_stored()
        assert collector.stop() == 0
    assert [path.name for path in (tmp_path / "data" / "clickhouse" / "data").iterdir()] == ["otel"]
