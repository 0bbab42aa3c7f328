"""The same spans into the same tables of the same engine: the collector, embedded and with a server, and Rotel.

Rotel (PyPI package `rotel`, its ClickHouse exporter) is given the best of circumstances: no compression on the way, no
internal telemetry, no deduplication of its blocks, one batch at a time (its requests time out after 5 s, then it would
insert twice), and its inserts once more without any HTTP between. It acknowledges what it holds in memory; the
collector syncs its journal before it acknowledges.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from engine import Engine
from load_generator import SPANS, LoadGenerator, Order
from measure import Meter, free_port, until, until_quiet
from processes import running
from report import Table

Ask = Callable[[str], list[dict[str, Any]]]
WARM_UP = 80  # requests before the measured ones
# What all must have stored alike. Left out are times, which differ from run to run, arrays, which Rotel renders in its
# own way, and the resource, which Rotel (0.0.1-alpha10) loses for one request of each full batch.
SAME = """SELECT count() AS rows, uniqExact(SpanId) AS spans, uniqExact(TraceId) AS traces,
  sum(Duration) AS nanoseconds, sum(cityHash64(SpanId, TraceId, SpanName, SpanKind, StatusCode,
    mapFilter((k, v) -> k != 'gen_ai.response.finish_reasons', SpanAttributes))) AS content,
  (SELECT count() FROM otel.interactions) AS interactions, (SELECT count() FROM otel.sessions) AS sessions
FROM otel.otel_traces"""
PARTS = "SELECT count() AS n FROM system.parts WHERE active AND table = 'otel_traces'"
NAMELESS = "SELECT countIf(ServiceName = '') AS n FROM otel.otel_traces"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds a span cost: the collector, the engine if it is another process, merges in it, the generator."""

    collector: float
    engine: float
    merges: float
    generator: float
    stored_per_second: float
    parts: int
    nameless: int
    stored: dict[str, int]

    @property
    def total(self) -> float:
        """Both processes."""
        return self.collector + self.engine


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """Run an engine for the length of a block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Engine(Path(folder))
        try:
            yield made
        finally:
            made.close()


def ours(generator: LoadGenerator, requests: int, server: Engine | None = None) -> Cost:
    """Measure the collector, embedded or in front of a server; the spans come as fast as it acknowledges them."""
    flags = ["--clickhouse-url", server.url] if server else []
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", *flags) as collector,
        httpx.Client(base_url=f"http://{collector.endpoints['http']}") as health,
    ):
        assert collector.process
        address, ask = collector.endpoints["grpc"], server.ask if server else collector.ask

        def offer(first: int, count: int) -> float:
            cpu = generator.send(Order(address, first, count)).cpu_seconds
            until(lambda: not health.get("/health").json()["queue_depth"], 1200)
            return cpu

        return cost(collector.process.pid, server, ask, offer, requests)


def rotel(generator: LoadGenerator, requests: int, batch: int) -> tuple[Cost, Cost]:
    """Measure Rotel with batches of so many spans: as it runs, and with its inserts carried out again without HTTP."""
    with running_engine() as server, agent(server.url, batch) as (process, address):

        def offer(first: int, count: int) -> float:
            cpu, before = 0.0, server.inserts()
            for done in range(0, count, batch // SPANS):
                cpu += generator.send(Order(address, first + done, batch // SPANS)).cpu_seconds
                until(lambda done=done: server.inserts() - before > done // (batch // SPANS), 120, every=0.02)
            rows = (first + count) * SPANS
            until(lambda: server.ask("SELECT count() AS n FROM otel.otel_traces")[0]["n"] >= rows, 120)
            return cpu

        served = cost(process.pid, server, server.ask, offer, requests)
        return served, replay_cost(server, served, requests + WARM_UP)


@contextlib.contextmanager
def agent(url: str, batch: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run Rotel; yield its process and its address for OTLP over gRPC."""
    grpc_port, http_port = free_port(), free_port()
    found = find_spec("rotel")
    assert found
    assert found.origin
    command = [
        *(str(Path(found.origin).with_name("rotel-agent")), "start"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}", "--otlp-http-endpoint", f"127.0.0.1:{http_port}"),
        *("--exporter", "clickhouse", "--clickhouse-exporter-endpoint", url),
        *("--clickhouse-exporter-compression", "none", "--clickhouse-exporter-async-insert", "false"),
        *("--batch-max-size", str(batch), "--batch-timeout", "2s"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(grpc_port), 30)
        yield process, f"127.0.0.1:{grpc_port}"
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cost(collector: int, server: Engine | None, ask: Ask, offer: Callable[[int, int], float], requests: int) -> Cost:
    """Measure from the first span offered until the last merge of them; `offer` returns when all is stored."""
    offer(0, WARM_UP)
    until_quiet(ask)
    with Meter(collector) as front, Meter(server.process.pid if server else collector) as engine:
        begun = time.perf_counter()
        generator = offer(WARM_UP, requests)
        stored = time.perf_counter() - begun
        until_quiet(ask)
    us = 1e6 / requests / SPANS
    return Cost(
        collector=front.seconds * us,
        engine=engine.seconds * us if server else 0,
        merges=engine.merges * us,
        generator=generator * us,
        stored_per_second=requests * SPANS / stored,
        parts=ask(PARTS)[0]["n"],
        nameless=ask(NAMELESS)[0]["n"],
        stored=ask(SAME)[0],
    )


def replay_cost(server: Engine, served: Cost, requests: int) -> Cost:
    """Measure the engine alone with the inserts it was sent; the rest is as it was."""
    server.empty()
    until_quiet(server.ask)
    with Meter(server.process.pid) as engine:
        server.replay()
        until_quiet(server.ask)
    us, stored, parts = 1e6 / requests / SPANS, server.ask(SAME)[0], server.ask(PARTS)[0]["n"]
    return replace(served, engine=engine.seconds * us, merges=engine.merges * us, parts=parts, stored=stored)


def compare(generator: LoadGenerator, requests: int, rounds: int, batches: list[int]) -> list[Table]:
    """Run everything in turn, round after round; every round stores the same."""
    found: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        found.setdefault("collector, embedded", []).append(ours(generator, requests))
        with running_engine() as server:
            found.setdefault("collector -> server", []).append(ours(generator, requests, server))
        for batch in batches:
            served, replayed = rotel(generator, requests, batch)
            found.setdefault(f"Rotel, batches of {batch} -> server", []).append(served)
            found.setdefault(f"Rotel, batches of {batch}, replayed without HTTP", []).append(replayed)
    stored = {str(each.stored) for costs in found.values() for each in costs}
    assert len(stored) == 1, f"not all stored the same: {stored}"
    return [costs_table(found, requests), ratio_table(found)]


def costs_table(found: dict[str, list[Cost]], requests: int) -> Table:
    """Show the medians of what a span cost."""
    figures = ["collector", "engine", "total", "merges", "generator", "stored_per_second", "parts", "nameless"]
    columns = ["CPU us per span, medians", "collector", "ClickHouse", "total", "of it merges", "load generator"]
    rows = [
        [name, *(f"{median(getattr(each, figure) for each in costs):,.1f}" for figure in figures)]
        for name, costs in found.items()
    ]
    title = f"{requests * SPANS:,} spans into the same tables, {len(next(iter(found.values())))} rounds"
    return Table(title, [*columns, "spans/s stored", "parts left", "spans without service"], rows)


def ratio_table(found: dict[str, list[Cost]]) -> Table:
    """Show the collector's cost as a share of Rotel's, within each round."""
    own = [name for name in found if not name.startswith("Rotel")]
    rows = []
    for peer in [name for name in found if name not in own]:
        shares = [[a.total / b.total for a, b in zip(found[name], found[peer], strict=True)] for name in own]
        rows.append([peer, *(f"{median(each):.2f} ({min(each):.2f} - {max(each):.2f})" for each in shares)])
    return Table("our cost as a share of Rotel's: median (least - most) of the rounds", ["", *own], rows)
