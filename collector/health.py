"""How the collector is doing: `/health` for people and probes, `/metrics` for Prometheus, both of the same figures.

Neither ever waits for ClickHouse: a thread of its own asks it every few seconds, on a connection of its own, and the
last answer is what is told.

    unhealthy   requests are not accepted, or an exception nobody caught leaves nothing to trust; HTTP 503
    degraded    everything is accepted, and something needs a look before it becomes unhealthy
    healthy     neither
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from collector.clickhouse import ClickHouse, settings_clause
from collector.datadir import DataDir
from collector.errors import first_line
from collector.query import questions
from collector.telemetry.counters import Counters
from collector.telemetry.exposition import Exposition, Gauges
from collector.telemetry.faults import Faults

log = logging.getLogger(__name__)

_LATE_SECONDS = 10.0  # nothing waits that long unless ClickHouse does not take it
_PROBE_SECONDS = 5.0  # between two looks
_PROBE_PATIENCE_SECONDS = 5  # a ClickHouse that takes longer to say 1 does not answer
_SESSIONS_SECONDS = 10.0
_SESSIONS_SHARE = 0.01  # of one core, at most, to count sessions
_WINDOW_SECONDS = 300.0  # of the success rate
_NEARLY = 0.8  # of the journal's limit
_SPARE = 2  # times the disk's reserve

Status = Literal["healthy", "degraded", "unhealthy"]


class Latency(BaseModel):
    """A duration over the last one to two minutes; null where nothing happened."""

    p50_ms: float | None
    p99_ms: float | None


class Overview(BaseModel):
    """What anybody may know."""

    status: Status = Field(description="unhealthy: refuses requests (HTTP 503); degraded: accepts them, needs a look")


class Health(Overview):
    """How the collector is doing."""

    reasons: list[str] = Field(description="why it is not healthy, one sentence each")
    version: str = Field(description="of the collector")
    uptime_seconds: float = Field(description="since this process began to serve")
    queue_depth: int = Field(description="acknowledged requests that ClickHouse does not have yet")
    queue_limit: int | None = Field(
        description="requests of the size seen so far that fit into the journal; null without a limit or a request"
    )
    items_pending: int = Field(description="spans, log records and data points in those requests of queue_depth")
    oldest_unsaved_seconds: float = Field(description="age of the oldest acknowledged request not yet in ClickHouse")
    save_success_rate: float = Field(
        description="share of the inserts of the last five minutes that succeeded, 0 to 1; 1 without any"
    )
    active_sessions: int | None = Field(description="sessions that are active; null until they were counted")
    segments: int = Field(description="frozen journal segments that wait to be loaded")
    journal_bytes: int = Field(description="bytes of the journal's files")
    journal_limit_bytes: int | None = Field(description="bytes at which requests are refused; null without a limit")
    disk_free_bytes: int = Field(description="free on the disk of the data directory")
    disk_reserve_bytes: int = Field(description="free bytes below which requests are refused")
    clickhouse_reachable: bool = Field(description="whether ClickHouse answered when it was last asked")
    dead_letters: int = Field(description="requests set aside since the start because ClickHouse cannot store them")
    dead_letters_on_disk: int = Field(description="files in dead-letters/ to look at, of whatever process")
    last_error: str = Field(description="what ClickHouse said at the last failed try; empty once it works again")
    fsync: Latency = Field(description="one sync of the journal to disk")
    load: Latency = Field(description="one segment, from its first insert to ClickHouse's confirmation")
    acknowledgement: Latency = Field(description="one request, from its whole body to the acknowledgement")
    counters: dict[str, int] = Field(description="fate of every request and item since the start")


class Waiting(Protocol):
    """A frozen segment on its way."""

    @property
    def segment(self) -> Path:
        """Its file."""

    @property
    def requests(self) -> int:
        """Requests in it."""

    @property
    def items(self) -> int:
        """Spans, log records and data points in it."""


class Journal(Protocol):
    """What is asked of the journal."""

    def filling(self) -> tuple[int, int, float]:
        """Return the requests and items in segments the loader does not have, and the age in seconds of the oldest."""


class Loader(Protocol):
    """What is asked of the loader."""

    @property
    def last_error(self) -> str:
        """What ClickHouse said at the last failed try, "" once it works again."""

    def waiting(self) -> Sequence[Waiting]:
        """Return what is not stored yet, oldest first."""


class Probe:
    """Looks every few seconds at what no request should wait for, on a thread and a connection of its own.

    Attributes:
        error: what ClickHouse answered to the last question; empty when it did answer it.
        active_sessions: how many there were when they were last counted, None before that.
    """

    def __init__(self, connect: Callable[[int], ClickHouse], counters: Counters) -> None:
        """Take what opens a connection with so many seconds of patience; nothing runs before `start`."""
        self._connect = connect
        self._counters = counters
        self._history: deque[tuple[float, dict[str, int]]] = deque([(time.monotonic(), {})])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-probe", daemon=True)
        self._database: ClickHouse | None = None
        self._count_at = 0.0
        self.error = ""
        self.active_sessions: int | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, unless ClickHouse keeps it waiting; the process can exit all the same."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_PROBE_PATIENCE_SECONDS)

    def past(self) -> dict[str, int]:
        """Return the totals as they were five minutes ago, or at the start."""
        return self._history[0][1]

    def _run(self) -> None:
        while True:
            self._remember()
            self._ask()
            if self._stop.wait(_PROBE_SECONDS):
                break
        if self._database:
            self._database.close()

    def _remember(self) -> None:
        now = time.monotonic()
        self._history.append((now, self._counters.snapshot()))
        while self._history[1][0] <= now - _WINDOW_SECONDS:
            self._history.popleft()

    def _ask(self) -> None:
        try:
            if self._database is None:
                self._database = self._connect(_PROBE_PATIENCE_SECONDS)
            self._database.rows("SELECT 1")
            self.error = ""
            self._count_sessions(self._database)
        except Exception as error:  # noqa: BLE001 - what does not answer as ClickHouse does, does not answer
            self.error = first_line(error)
            log.debug("ClickHouse does not answer the probe: %s", self.error)

    def _count_sessions(self, database: ClickHouse) -> None:
        began = time.monotonic()
        if began < self._count_at:
            return
        asked = f"{questions.text('active_sessions')} {settings_clause(questions.SERVER_SETTINGS)}"  # on a cluster, too
        self.active_sessions = int(database.rows(asked)[0][0])
        took = time.monotonic() - began
        self._count_at = began + max(_SESSIONS_SECONDS, took / _SESSIONS_SHARE)


class Monitor:
    """Gathers the figures of all stages when asked, from any thread."""

    def __init__(
        self,
        *,
        data: DataDir,
        journal: Journal,
        loader: Loader,
        age_seconds: Callable[[Path], float],
        probe: Probe,
        counters: Counters,
        faults: Faults,
        batch_seconds: float,
        journal_limit: int | None,
        disk_reserve: int,
        refusals: Sequence[Callable[[], str]] = (),
        concerns: Sequence[Callable[[], str]] = (),
    ) -> None:
        """Take the stages; `age_seconds` tells the age of a frozen segment by its file.

        Each of `refusals` returns a sentence while requests are refused for some reason of its own, each of `concerns`
        while something else needs a look; else nothing.
        """
        self._data = data
        self._journal, self._loader, self._age_seconds = journal, loader, age_seconds
        self._probe, self._counters, self._faults = probe, counters, faults
        self._late_seconds = batch_seconds + _LATE_SECONDS
        self._journal_limit, self._disk_reserve = journal_limit, disk_reserve
        self._refusals, self._concerns = refusals, concerns
        self._version = version("otel-interactions")
        self._started_at = time.monotonic()
        self.exposition = Exposition(counters, self.gauges)

    def health(self) -> Health:
        """Return how everything is now."""
        requests, items, age = self._journal.filling()  # first: what moves on meanwhile is in both, not in neither
        waiting = self._loader.waiting()
        if waiting:
            age = max(age, self._age_seconds(waiting[0].segment))
        counters = self._counters.snapshot()
        past = self._probe.past()
        loaded, failed = (counters.get(name, 0) - past.get(name, 0) for name in ("segments_loaded", "loads_failed"))
        told = Health(
            status="healthy",
            reasons=[],
            version=self._version,
            uptime_seconds=round(time.monotonic() - self._started_at, 3),
            queue_depth=requests + sum(each.requests for each in waiting),
            queue_limit=self._queue_limit(),
            items_pending=items + sum(each.items for each in waiting),
            oldest_unsaved_seconds=round(age, 3),
            save_success_rate=round(loaded / (loaded + failed), 6) if loaded + failed else 1.0,
            active_sessions=self._probe.active_sessions,
            segments=len(waiting),
            journal_bytes=sum(_sizes(self._data.journal)),
            journal_limit_bytes=self._journal_limit,
            disk_free_bytes=shutil.disk_usage(self._data.path).free,
            disk_reserve_bytes=self._disk_reserve,
            clickhouse_reachable=not self._probe.error,
            dead_letters=counters.get("requests_dead", 0),
            dead_letters_on_disk=sum(1 for path in self._data.dead_letters.iterdir() if path.suffix == ".json"),
            last_error=self._loader.last_error,
            fsync=self._latency("journal_sync_duration_seconds"),
            load=self._latency("load_duration_seconds"),
            acknowledgement=self._latency("acknowledgement_duration_seconds"),
            counters=counters,
        )
        refusing = [*self._faults.sentences, *self._refusing(told)]
        ailing = self._ailing(told, counters.get("requests_dead", 0) - past.get("requests_dead", 0))
        told.status = "unhealthy" if refusing else "degraded" if ailing else "healthy"
        told.reasons = refusing + ailing
        return told

    def _refusing(self, told: Health) -> Iterator[str]:
        """Say why requests are refused, or would be."""
        yield from (reason for ask in self._refusals if (reason := ask()))
        if told.disk_free_bytes < self._disk_reserve:
            yield (
                f"the disk of {self._data.path} has {told.disk_free_bytes} bytes free: requests are refused below "
                f"{self._disk_reserve}; make space"
            )
        if self._journal_limit and told.journal_bytes >= self._journal_limit:
            yield (
                f"the journal holds {told.journal_bytes} bytes of at most {self._journal_limit}: requests are refused "
                "until ClickHouse has taken some"
            )

    def _ailing(self, told: Health, lately_dead: int) -> list[str]:
        """Say what needs a look."""
        reasons = [concern for ask in self._concerns if (concern := ask())]
        if not told.clickhouse_reachable:
            reasons.append(f"ClickHouse does not answer: {self._probe.error}")
        if told.last_error:
            reasons.append(f"ClickHouse did not take the last insert: {told.last_error}")
        if told.oldest_unsaved_seconds > self._late_seconds:
            reasons.append(f"the oldest unsaved request waits for {told.oldest_unsaved_seconds:.0f} seconds")
        if lately_dead:
            reasons.append(f"{lately_dead} requests were set aside in the last five minutes; see dead-letters/")
        if self._journal_limit and _NEARLY * self._journal_limit <= told.journal_bytes < self._journal_limit:
            reasons.append(f"the journal is filled to {told.journal_bytes / self._journal_limit:.0%} of its limit")
        if self._disk_reserve <= told.disk_free_bytes < _SPARE * self._disk_reserve:
            reasons.append(f"the disk of {self._data.path} has only {told.disk_free_bytes} bytes free")
        return reasons

    def _queue_limit(self) -> int | None:
        """Estimate it by the mean size of the requests so far."""
        sizes = [each for series, each in self._counters.distributions().items() if series.name == "request_size_bytes"]
        count, size = sum(sum(counts) for counts, _ in sizes), sum(total for _, total in sizes)
        return int(self._journal_limit * count / size) if self._journal_limit and size else None

    def _latency(self, name: str) -> Latency:
        p50, p99 = self._counters.quantiles(name, 0.5, 0.99)
        return Latency(p50_ms=_milliseconds(p50), p99_ms=_milliseconds(p99))

    def gauges(self) -> Gauges:
        """Return the figures that are asked for and not counted, as Prometheus wants them."""
        told = self.health()
        plain = {
            "requests_pending": told.queue_depth,
            "items_pending": told.items_pending,
            "oldest_unsaved_age_seconds": told.oldest_unsaved_seconds,
            "journal_segments": told.segments,
            "journal_size_bytes": told.journal_bytes,
            "journal_limit_bytes": told.journal_limit_bytes,
            "dead_letters": told.dead_letters_on_disk,
            "disk_free_bytes": told.disk_free_bytes,
            "disk_reserve_bytes": told.disk_reserve_bytes,
            "clickhouse_up": told.clickhouse_reachable,
            "save_success_ratio": told.save_success_rate,
            "active_sessions": told.active_sessions,
            "uptime_seconds": told.uptime_seconds,
        }
        gauges: dict[str, dict[str, float]] = {
            name: {"": float(value)} for name, value in plain.items() if value is not None
        }
        gauges["status"] = {name: float(name == told.status) for name in ("healthy", "degraded", "unhealthy")}
        gauges["build_info"] = {told.version: 1.0}
        return gauges


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def _sizes(folder: Path) -> Iterator[int]:
    """Yield the size of each file of a folder from which others delete meanwhile."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield entry.stat().st_size


def router(monitor: Monitor, may_read: Callable[[Request], bool] = lambda _: True) -> APIRouter:
    """Return the two paths, for the application that serves the HTTP port.

    Whoever `may_read` does not know is told the status and nothing else.
    """
    routes = APIRouter()

    # Plain functions: they touch the disk, so the framework runs them beside the event loop.
    @routes.get("/api/system/health", responses={503: {"model": Health, "description": "requests are not accepted"}})
    @routes.get("/health", responses={503: {"model": Health, "description": "requests are not accepted"}})
    def health(request: Request, response: Response) -> Health | Overview:
        """Say how the collector is doing: fates, queue, latencies, disk, ClickHouse; 503 when it does not accept."""
        told = monitor.health()
        response.status_code = 503 if told.status == "unhealthy" else 200
        return told if may_read(request) else Overview(status=told.status)

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics(request: Request) -> Response:
        """Return every figure in Prometheus' text format, or in OpenMetrics where `Accept` asks for it."""
        if not may_read(request):
            return Response("figures are told to keys with the scope read\n", 403, media_type="text/plain")
        content, media = monitor.exposition.render(request.headers.get("accept", ""))
        return Response(content, media_type=media)

    return routes
