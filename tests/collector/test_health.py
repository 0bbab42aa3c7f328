"""/health and /metrics of a real collector; and what makes it degraded or unhealthy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from otlp_builders import log_record, logs, span, traces
from processes import CollectorProcess, running
from prometheus_client import parser

from collector import health
from collector.clickhouse import ClickHouse
from collector.datadir import DataDir
from collector.health import Monitor, Probe
from collector.journal import names, segment
from collector.journal.store import Keeping, Store
from collector.journal.writer import Journal, Limits
from collector.load.loader import Loader
from collector.query import questions
from collector.request import Content, Request, Signal
from collector.telemetry import Counters, Faults
from collector.telemetry.families import FAMILIES, PREFIX

LIMITS = Limits(10**9, 10**9, 3600)
SECONDS = 20


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that has seen something of everything."""
    with running(tmp_path_factory.mktemp("busy") / "data", "--batch-seconds", "0.1") as collector:
        for _ in range(3):
            collector.send(traces(span("s", {"interaction.type": "event", "session.id": "one"}), span()))
        collector.send(logs(log_record()))
        assert collector.post("/v1/traces", b"\xff").status_code == 400
        assert collector.post("/v1/logs", b"").status_code == 200
        collector.wait_until_stored()
        yield collector


def scrape(collector: CollectorProcess) -> dict[str, Any]:
    """Return the families of /metrics by name, without our prefix."""
    text = httpx.get(f"http://{collector.endpoints['http']}/metrics").text
    return {each.name.removeprefix(PREFIX): each for each in parser.text_string_to_metric_families(text)}


def values(family: Any) -> dict[tuple[str, ...], float]:
    """Return a family's values by the values of its labels."""
    return {tuple(sorted(each.labels.values())): each.value for each in family.samples}


class Listening(BaseHTTPRequestHandler):
    """Counts what is exported to it."""

    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Take anything."""
        self.paths.append(self.path)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.end_headers()


def test_a_collector_exports_nothing_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment asks FastAPI to trace and names an endpoint, which may be this collector: a loop."""
    exported = ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=exported.serve_forever, daemon=True).start()
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{exported.server_port}")
    with running(tmp_path / "data") as collector:
        collector.send(traces(span()))
        collector.wait_until_stored()
        collector.stop()
    exported.shutdown()
    exported.server_close()
    assert Listening.paths == []


def test_metrics_are_what_health_says(busy: CollectorProcess) -> None:
    """Every total of /metrics, its signals taken together, is the one of /health; every family is a declared one."""
    told, families = busy.health(), scrape(busy)
    for name, total in told["counters"].items():
        if not name.startswith("refused_"):
            assert sum(values(families[name]).values()) == total, name
    ours = {name for name in families if not name.startswith(("process_", "python_"))}
    assert ours <= set(FAMILIES)
    assert set(FAMILIES) - ours == {"access_refused"}, "what is promised is told, save what nobody has tried"
    assert values(families["requests_received"]) == {("traces",): 4, ("logs",): 2, ("metrics",): 0}
    assert values(families["requests_refused"]) == {("malformed", "traces"): 1}
    assert values(families["items_stored"]) == {("traces",): 6, ("logs",): 1, ("metrics",): 0}
    assert values(families["status"]) == {("healthy",): 1, ("degraded",): 0, ("unhealthy",): 0}
    assert values(families["build_info"]) == {(told["version"],): 1}
    assert values(families["requests_pending"]) == values(families["dead_letters"]) == {(): 0}
    counts = {
        each.labels["signal"]: each.value
        for each in families["acknowledgement_duration_seconds"].samples
        if each.name.endswith("_count")
    }
    assert counts == {"traces": 3, "logs": 1}, "what was refused or empty waited for no journal"
    assert families["process_cpu_seconds"].samples[0].value > 0


def test_metrics_as_openmetrics(busy: CollectorProcess) -> None:
    """Who asks for OpenMetrics gets it."""
    accept = {"accept": "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;q=0.1"}
    reply = httpx.get(f"http://{busy.endpoints['http']}/metrics", headers=accept)
    assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert reply.text.endswith("# EOF\n")


def test_health_fields(busy: CollectorProcess) -> None:
    """Every field has a value a healthy collector has, the shape clients expect included."""
    deadline = time.monotonic() + SECONDS
    while (told := busy.health())["active_sessions"] is None:
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    assert (told["status"], told["reasons"]) == ("healthy", [])
    assert told["queue_depth"] == told["items_pending"] == told["segments"] == told["oldest_unsaved_seconds"] == 0
    assert told["save_success_rate"] == 1
    assert told["clickhouse_reachable"] is True
    assert told["dead_letters"] == told["dead_letters_on_disk"] == 0
    assert told["disk_free_bytes"] > told["disk_reserve_bytes"]
    assert told["uptime_seconds"] > 0
    for name in ("fsync", "load", "acknowledgement"):
        assert 0 < told[name]["p50_ms"] <= told[name]["p99_ms"] < 60_000
    assert {"queue_limit", "last_error", "counters", "version", "journal_bytes", "journal_limit_bytes"} <= set(told)


def test_it_is_in_the_openapi_document(busy: CollectorProcess) -> None:
    """Every field of /health is described, and /metrics is listed."""
    document = httpx.get(f"http://{busy.endpoints['http']}/openapi.json").json()
    fields = document["components"]["schemas"]["Health"]["properties"]
    assert set(fields) == set(busy.health())
    assert all(field["description"] for field in fields.values())
    assert {"200", "503"} <= set(document["paths"]["/health"]["get"]["responses"])
    assert "/metrics" in document["paths"]


def test_active_sessions_agree_with_the_view(engine: Any) -> None:
    """The cheap count is the view's, tenants with idle times of their own and late activity after an end included."""
    database: ClickHouse = engine.database
    database.command(
        "INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('a', 600), ('slow', 7200)"
    )
    columns = "tenant, session_id, started_at, last_activity_at, last_start_at, last_end_at"
    never = "toDateTime64(0, 9, 'UTC')"

    def row(tenant: str, session: str, started: int, active: int, ended: int | None) -> str:
        """Write one state; times are seconds ago."""
        end = never if ended is None else f"now64(9) - {ended}"
        start = f"now64(9) - {started}" if started else never
        return f"('{tenant}', 'h-{session}', {start}, now64(9) - {active}, {start}, {end})"

    rows = [
        row("a", "active", 100, 50, None),
        row("a", "ended", 100, 50, 50),
        row("a", "idle", 2000, 1000, None),
        row("slow", "idle elsewhere", 2000, 1000, None),
        row("a", "resumed", 30, 20, 60),
        row("a", "ended long ago", 5000, 4000, 4000),
        row("a", "ended long ago", 0, 10, None),
        row("a", "in two rows", 5000, 4000, None),
        row("a", "in two rows", 0, 10, None),
    ]
    database.command(f"INSERT INTO otel.sessions_state ({columns}) VALUES {', '.join(rows)}")
    active = "SELECT count(), countIf(startsWith(session_id, 'h-')) FROM otel.sessions WHERE status = 'active'"
    while (
        True
    ):  # until no session of another test became idle meanwhile: nobody writes, so the view only ever counts less
        [before], [(counted,)], [after] = (
            engine.ask(active),
            engine.ask(questions.text("active_sessions")),
            engine.ask(active),
        )
        if before == after:
            break
    assert before == (counted, 4)


class Stages:
    """A monitor over real stages that do not run, so that a test decides how they stand."""

    def __init__(self, engine: Any, folder: Path, **given: Any) -> None:
        self.counters = Counters()
        data = DataDir(folder, 1)
        data.close()  # where things are is all that is asked of it
        self.faults = Faults(self.counters)
        store = Store(folder / "journal", Keeping())
        self.loader = Loader([engine.database], store, folder / "dead-letters", folder / "scratch", self.counters)
        self.journal = Journal(store, LIMITS, self.loader)
        self.probe = Probe(lambda _: ClickHouse(engine.folder, None), self.counters)
        self.folder = folder
        limits = {"journal_limit": None, "disk_reserve": 0} | given
        self.monitor = Monitor(
            data=data,
            journal=self.journal,
            loader=self.loader,
            age_seconds=names.age_seconds,
            probe=self.probe,
            counters=self.counters,
            faults=self.faults,
            batch_seconds=1.0,
            **limits,
        )

    def freeze(self, *sizes: int) -> Path:
        """Hand a segment of requests with bodies of these sizes to the loader."""
        written = segment.Segment(self.folder / "journal", Signal.TRACES)
        written.append([Request(Signal.TRACES, bytes(size), 2, "default", 0, "") for size in sizes])
        path = written.freeze()
        self.loader.enqueue(path, Content(len(sizes), 2 * len(sizes)))
        return path


def test_what_waits_is_told(engine: Any, tmp_path: Path) -> None:
    """Requests, items, bytes and age of what waits are those of the files."""
    stages = Stages(engine, tmp_path)
    path = stages.freeze(100, 200)
    told = stages.monitor.health()
    assert (told.queue_depth, told.items_pending, told.segments) == (2, 4, 1)
    assert told.journal_bytes == path.stat().st_size
    assert 0 < told.oldest_unsaved_seconds < SECONDS
    assert told.status == "healthy"


def test_an_old_segment_degrades(engine: Any, tmp_path: Path) -> None:
    """What waits far longer than a batch may take is a reason."""
    stages = Stages(engine, tmp_path)
    path = stages.freeze(1)
    stages.loader._line.passed(stages.loader._line.entries()[0])
    hour_ago = path.with_name(f"{time.time_ns() - 3600 * 10**9:020d}-00000000-traces.ready")
    stages.loader.enqueue(path.rename(hour_ago), Content(1, 1))
    told = stages.monitor.health()
    assert told.status == "degraded"
    assert told.reasons == ["the oldest unsaved request waits for 3600 seconds"]


@pytest.mark.parametrize(
    ("share", "status"), [(2.0, "healthy"), (1.1, "degraded"), (1.0, "unhealthy"), (0.5, "unhealthy")]
)
def test_a_filling_journal(engine: Any, tmp_path: Path, share: float, status: str) -> None:
    """Towards its limit the journal is a reason for a look, at its limit for sending requests elsewhere."""
    size = Stages(engine, tmp_path / "measure").freeze(1000).stat().st_size
    stages = Stages(engine, tmp_path / "real", journal_limit=int(size * share))
    stages.freeze(1000)
    told = stages.monitor.health()
    assert told.status == status
    assert len(told.reasons) == (status != "healthy")
    assert all("journal" in reason for reason in told.reasons)


@pytest.mark.parametrize(("reserve", "status"), [(0.1, "healthy"), (0.7, "degraded"), (2.0, "unhealthy")])
def test_a_full_disk(engine: Any, tmp_path: Path, reserve: float, status: str) -> None:
    """Near the reserve the disk is a reason for a look, below it for sending requests elsewhere."""
    free = Stages(engine, tmp_path).monitor.health().disk_free_bytes
    told = Stages(engine, tmp_path, disk_reserve=int(free * reserve)).monitor.health()
    assert told.status == status
    assert len(told.reasons) == (status != "healthy")
    assert all(str(tmp_path) in reason for reason in told.reasons)


def test_queue_limit(engine: Any, tmp_path: Path) -> None:
    """How many requests fit is told by the size of those that came."""
    stages = Stages(engine, tmp_path, journal_limit=10_000)
    assert stages.monitor.health().queue_limit is None
    for size in (100, 300):
        stages.counters.observe("request_size_bytes", size, signal="traces")
    assert stages.monitor.health().queue_limit == 50


def test_other_refusals(engine: Any, tmp_path: Path) -> None:
    """What other parts refuse requests for is a reason to send them elsewhere, as long as they do."""
    refusals = ["the journal takes no more"]
    stages = Stages(engine, tmp_path, refusals=[lambda: refusals[0]])
    assert (stages.monitor.health().status, stages.monitor.health().reasons) == ("unhealthy", refusals)
    refusals[0] = ""
    assert stages.monitor.health().status == "healthy"


def test_other_concerns(engine: Any, tmp_path: Path) -> None:
    """What other parts are worried about is a reason for a look, as long as they are."""
    worries = ["the key file does not read"]
    stages = Stages(engine, tmp_path, concerns=[lambda: worries[0]])
    assert (stages.monitor.health().status, stages.monitor.health().reasons) == ("degraded", worries)
    worries[0] = ""
    assert stages.monitor.health().status == "healthy"


async def test_strangers_are_told_the_status_only(engine: Any, tmp_path: Path) -> None:
    """Who may not read learns whether it is well, and no figure."""
    app = FastAPI()
    app.include_router(health.router(Stages(engine, tmp_path).monitor, lambda request: "key" in request.headers))
    known = {"key": "x"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as client:
        assert (await client.get("/health")).json() == {"status": "healthy"}
        assert (await client.get("/metrics")).status_code == 403
        assert (await client.get("/health", headers=known)).json()["queue_depth"] == 0
        assert PREFIX in (await client.get("/metrics", headers=known)).text


def test_a_fault_is_unhealthy(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody caught stands first among the reasons."""
    stages = Stages(engine, tmp_path)
    monkeypatch.setattr(Loader, "last_error", "Code: 241")
    stages.faults.sentences = ["the thread 'x' ended: KeyError: 'y'"]
    told = stages.monitor.health()
    assert told.status == "unhealthy"
    assert told.reasons == [
        "the thread 'x' ended: KeyError: 'y'",
        "ClickHouse did not take the last insert: Code: 241",
    ]


def test_success_rate_and_dead_letters_of_late(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inserts and dead letters count for five minutes; the letters on disk count until they are gone."""
    stages, now = Stages(engine, tmp_path), time.monotonic()

    def at(seconds: float) -> None:
        monkeypatch.setattr(health.time, "monotonic", lambda: now + seconds)
        stages.probe._remember()

    at(1)
    stages.counters.add("segments_loaded", 3)
    stages.counters.add("loads_failed")
    stages.counters.fate("dead", 4, requests=2)
    (tmp_path / "dead-letters" / "x.json").write_text(json.dumps({"reason": "y"}))
    told = stages.monitor.health()
    assert told.save_success_rate == 0.75
    assert (told.dead_letters, told.dead_letters_on_disk, told.status) == (2, 1, "degraded")
    assert "2 requests were set aside" in told.reasons[0]
    for seconds in range(5, 400, 5):
        at(seconds)
    assert len(stages.probe._history) < 70
    told = stages.monitor.health()
    assert told.save_success_rate == 1
    assert (told.dead_letters, told.dead_letters_on_disk, told.status) == (2, 1, "healthy")


def test_the_probe(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe sees ClickHouse go and come back; asking for the health meanwhile takes no time."""
    monkeypatch.setattr(health, "_PROBE_SECONDS", 0.01)
    stages, gone = Stages(engine, tmp_path), True

    def connect(patience: int) -> ClickHouse:
        assert patience < 10
        return ClickHouse(engine.folder, "http://me:hunter2@127.0.0.1:1" if gone else None)

    stages.probe = stages.monitor._probe = Probe(connect, stages.counters)
    stages.probe.start()

    def wait(status: str, *, counted: bool) -> health.Health:
        deadline = time.monotonic() + SECONDS
        while (told := stages.monitor.health()).status != status or (told.active_sessions is not None) != counted:
            assert time.monotonic() < deadline, told
        return told

    try:
        told = wait("degraded", counted=False)
        assert not told.clickhouse_reachable
        assert "ClickHouse does not answer" in told.reasons[0]
        assert "hunter2" not in told.reasons[0]
        gone = False
        told = wait("healthy", counted=True)
        assert told.clickhouse_reachable
    finally:
        stages.probe.stop()
    assert not stages.probe._thread.is_alive()


def test_health_does_not_wait_for_clickhouse(engine: Any, tmp_path: Path) -> None:
    """While the probe hangs on a ClickHouse that never answers, /health is told at once."""
    entered = []

    def connect(_: int) -> ClickHouse:
        entered.append(True)
        time.sleep(1)
        raise ConnectionRefusedError

    stages = Stages(engine, tmp_path)
    stages.probe = stages.monitor._probe = Probe(connect, stages.counters)
    stages.probe.start()
    try:
        while not entered:
            time.sleep(0.001)
        began = time.monotonic()
        assert stages.monitor.health().status == "healthy"
        assert time.monotonic() - began < 0.5
    finally:
        stages.probe.stop()
