"""`make bench`: what the path costs, printed as a table with the machine and the versions.

1. Collector: OTLP/gRPC -> validate -> journal with fsync -> ClickHouse, requests of 512 spans, several in flight. The
   load generator sends ready-made bytes and its CPU is reported apart.
2. SDK: microseconds on the calling thread for one interaction, exporting to that collector, beside a bare span of the
   stock SDK with as many attributes.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import grpc
import psutil
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otlp_builders import span, traces
from processes import running
from rich.console import Console
from rich.table import Table

import otel_interactions as oi
from collector.clickhouse import ClickHouse
from collector.journal.segment import Segment
from collector.load.sql_settings import insert_settings
from collector.request import Request, Signal
from collector.schema.migrator import migrate

SPANS_PER_REQUEST = 512
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "400"))
IN_FLIGHT = 8
INTERACTIONS = 2000
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
WORDS = ["the", "answer", "took", "a", "while", "because", "the", "kitchen", "was", "busy", "with", "beans", "today"]


def bodies(count: int) -> list[bytes]:
    """Make distinct requests of assistant responses: 11 attributes, 300 bytes of text."""
    choose = random.Random(1)
    return [
        traces(
            *(span("chat gpt-5", _attributes(choose, n), kind=3) for n in range(SPANS_PER_REQUEST))
        ).SerializeToString()
        for _ in range(count)
    ]


def _attributes(choose: random.Random, number: int) -> dict[str, object]:
    text = " ".join(choose.choices(WORDS, k=60))[:300]
    return {
        "session.id": f"s-{choose.randrange(5_000)}",
        "user.id": f"u-{choose.randrange(10_000)}",
        "interaction.type": "assistant_response",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": choose.randrange(4000),
        "gen_ai.usage.output_tokens": choose.randrange(900),
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": choose.random(),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": text}]}]),
        "interaction.sequence": number,
    }


async def push(address: str, requests: list[bytes]) -> list[float]:
    """Send all, IN_FLIGHT at a time; return the milliseconds each acknowledgement took."""
    waits: list[float] = []
    todo = iter(requests)
    async with grpc.aio.insecure_channel(address) as channel:
        export = channel.unary_unary(EXPORT)

        async def work() -> None:
            for body in todo:
                begun = time.perf_counter()
                await export(body)
                waits.append((time.perf_counter() - begun) * 1000)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return waits


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process so far."""
    times = process.cpu_times()
    return times.user + times.system


def bench_collector(console: Console) -> None:
    """Measure the whole path."""
    distinct = bodies(20)
    requests = [distinct[n % len(distinct)] for n in range(REQUESTS)]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as collector:
        process = psutil.Process(collector.process.pid)
        asyncio.run(push(collector.endpoints["grpc"], requests[:40]))
        collector.wait_until_stored()
        cpu, own, begun = cpu_seconds(process), time.process_time(), time.perf_counter()
        waits = asyncio.run(push(collector.endpoints["grpc"], requests))
        acknowledged = time.perf_counter() - begun
        generator = time.process_time() - own
        collector.wait_until_stored(seconds=600)
        stored, used = time.perf_counter() - begun, cpu_seconds(process) - cpu
        spans = REQUESTS * SPANS_PER_REQUEST
        found = collector.ask("SELECT count() AS n FROM otel.otel_traces")[0]["n"]
        assert found == spans + 40 * SPANS_PER_REQUEST, found
        waits.sort()
        table = Table(
            "figure", "value", title=f"collector: {spans} spans, {len(distinct[0]) // SPANS_PER_REQUEST} bytes each"
        )
        table.add_row("spans/s, acknowledged", f"{spans / acknowledged:,.0f}")
        table.add_row("spans/s, stored", f"{spans / stored:,.0f}")
        table.add_row("spans per CPU-second, collector and ClickHouse together", f"{spans / used:,.0f}")
        table.add_row("CPU us per span, collector and ClickHouse together", f"{used / spans * 1e6:.1f}")
        parsing = floor(distinct)
        table.add_row("ClickHouse parsing alone, CPU us per span (the floor)", f"{parsing:.1f}")
        table.add_row("ratio to the floor", f"{used / spans * 1e6 / parsing:.1f}")
        table.add_row(
            "acknowledgement ms, p50 / p99", f"{statistics.median(waits):.1f} / {waits[int(len(waits) * 0.99)]:.1f}"
        )
        table.add_row("memory of the collector process, MiB", f"{process.memory_info().rss / 2**20:.0f}")
        table.add_row("load generator CPU us per span (not included)", f"{generator / spans * 1e6:.2f}")
        console.print(table)
        bench_sdk(console, collector.endpoints["grpc"])


def floor(requests: list[bytes]) -> float:
    """Return the CPU microseconds a span costs ClickHouse to parse alone: the same bytes, no view behind the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = ClickHouse(folder, None)
        migrate(database)
        database.command("DROP VIEW otel.otel_traces_from_otlp")
        segment = Segment(folder, Signal.TRACES)
        segment.append([Request(Signal.TRACES, body, SPANS_PER_REQUEST, "default", 0, "") for body in requests])
        path = segment.freeze()
        used = []
        for _ in range(5):
            begun = time.process_time()
            database.insert_file("otel.otlp_traces", path, "ProtobufSingle", insert_settings("", embedded=True))
            used.append((time.process_time() - begun) / len(requests) / SPANS_PER_REQUEST * 1e6)
        database.close()
        return statistics.median(used)


def bench_sdk(console: Console, address: str) -> None:
    """Measure the calling thread."""
    endpoint = f"http://{address}"
    text = " ".join(WORDS * 4)[:300]
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    tracer = provider.get_tracer("bench")
    attributes = _attributes(random.Random(1), 1)

    def stock() -> None:
        with tracer.start_as_current_span("chat", attributes=attributes):
            pass

    oi.configure(service_name="bench", endpoint=endpoint, set_global=False)
    table = Table("one call", "us, median", "us, p99", title="SDK, calling thread, collector alive")
    with oi.session("bench", user_id="u-1"):
        for label, call in (
            ("stock SDK: span with 11 attributes", stock),
            ("user_message(300 characters)", lambda: oi.user_message(text)),
            (
                "assistant_response(300 characters, tokens)",
                lambda: oi.assistant_response(text, model="gpt-5", input_tokens=1, output_tokens=2),
            ),
        ):
            table.add_row(label, *(f"{value:.1f}" for value in _microseconds(call)))
    console.print(table)
    oi.shutdown()
    provider.shutdown()


def _microseconds(call: Callable[[], object]) -> tuple[float, float]:
    waits = []
    for _ in range(INTERACTIONS):
        begun = time.perf_counter_ns()
        call()
        waits.append((time.perf_counter_ns() - begun) / 1000)
        if len(waits) % 400 == 0:
            time.sleep(0.5)  # stay below the stock processor's queue of 2048
    waits.sort()
    return statistics.median(waits), waits[int(len(waits) * 0.99)]


def machine() -> str:
    """Name what the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "?",
    )
    packages = " ".join(f"{name} {version(name)}" for name in ("chdb", "grpcio", "protobuf", "opentelemetry-sdk"))
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}, {packages}, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    out = Console()
    out.print(machine())
    bench_collector(out)
