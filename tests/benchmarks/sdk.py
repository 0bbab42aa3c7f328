"""What one interaction costs the calling thread, beside a bare span of the stock SDK with as many attributes."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from load_generator import WORDS, attributes
from measure import percentile
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from processes import running
from report import Table

import otel_interactions as oi

CALLS = 2000


def sdk() -> Table:
    """Measure against a running collector."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as collector:
        return Table("SDK, calling thread", ["one call", "us, median", "us, p99"], _rows(collector.endpoints["grpc"]))


def _rows(address: str) -> list[list[str]]:
    endpoint, text, values = f"http://{address}", " ".join(WORDS * 4)[:300], attributes(random.Random(1), "s-1", 1)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    tracer = provider.get_tracer("bench")

    def stock() -> None:
        with tracer.start_as_current_span("chat", attributes=values):
            pass

    def answer() -> None:
        oi.assistant_response(text, model="gpt-5", input_tokens=1, output_tokens=2)

    oi.configure(service_name="bench", endpoint=endpoint, set_global=False)
    with oi.session("bench", user_id="u-1"):
        rows = [
            ["stock SDK: span with 11 attributes", *_microseconds(stock)],
            ["user_message(300 characters)", *_microseconds(lambda: oi.user_message(text))],
            ["assistant_response(300 characters, tokens)", *_microseconds(answer)],
        ]
    oi.shutdown()
    provider.shutdown()
    return rows


def _microseconds(call: Callable[[], object]) -> tuple[str, str]:
    waits = []
    for _ in range(CALLS):
        begun = time.perf_counter_ns()
        call()
        waits.append((time.perf_counter_ns() - begun) / 1000)
        if len(waits) % 400 == 0:
            time.sleep(0.5)  # stay below the stock processor's queue of 2048
    return f"{median(waits):.1f}", f"{percentile(waits, 0.99):.1f}"
