"""What an interaction costs the application, beside a span of the stock SDK with the same content.

Each measurement runs in a process of its own (`python sdk.py WHAT WHO ENDPOINT`), so that it has threads, caches and
collections of garbage to itself; they take turns, and each row is the median of its rounds.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import otel_interactions as oi

TEXT = "The quick brown fox asks the lazy dog what the weather will be like in Paris tomorrow, politely. "[:100] * 3
EXTRA = {"app.plan": "premium", "app.score": 0.5, "app.beta": True, "app.page": "checkout"}
TWELVE = {
    "session.id": "0f3b2c9e-1111-2222-3333-444455556666",
    "user.id": "user-12345",
    "interaction.type": "user_message",
    "service.instance.id": "abcdef01-2222-3333-4444-555566667777",
    "interaction.sequence": 12345,
    "interaction.text.length": len(TEXT),
    "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{TEXT}"}}]}}]',
    "app.turn": "7",
    **EXTRA,
}
NOBODY = "http://127.0.0.1:9"
REPOSITORY = Path(__file__).parents[2]
_CALLS, _CHUNK = 20_000, 500
_FLOOD = 100_000
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def sdk(rounds: int, calls: int = _CALLS) -> Any:
    """Measure ours and the stock SDK in turn."""
    from processes import running  # noqa: PLC0415 - not in the processes that are measured
    from report import Table  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as collector:
        live = f"http://{collector.endpoints['grpc']}"
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(rounds):
            for what, endpoint in (("call", NOBODY), ("total", live)):
                for who in ("stock", "ours"):
                    found.setdefault((what, who), []).append(_run(what, who, endpoint, calls))
        with _slow(0.1) as (endpoint, arrived):
            floods = []
            for who in ("stock", "ours"):
                before = arrived()
                floods.append((who, _run("flood", who, endpoint, _FLOOD * calls // _CALLS), arrived() - before))
        off = [_run("off", "ours", NOBODY, calls) for _ in range(rounds)]
    columns = ["", "stock SDK", "ours", "ours / stock: median (least - most)"]
    rows = [
        _row("calling thread, CPU us a call", found, "call", "cpu_us"),
        _row("calling thread, p50 us, collector dead", found, "call", "p50_us"),
        _row("calling thread, p99.9 us, collector dead", found, "call", "p999_us"),
        _row("whole process, CPU us, sent to a live collector", found, "total", "cpu_us"),
    ]
    flooded = [
        [
            who,
            f"{told['calls']:,.0f}",
            f"{come:,}",
            f"{told['calls'] - come:,.0f}",
            f"{told['rss_mib']:.0f}",
            f"{told['seconds']:.1f}",
        ]
        for who, told, come in floods
    ]
    return [
        Table("SDK: one interaction with 12 attributes, 300 bytes of text", columns, rows),
        Table(
            "SDK: at full speed into a collector that takes 100 ms a request",
            ["", "recorded", "arrived", "lost", "most MiB", "s until all was sent"],
            flooded,
        ),
        Table(
            "SDK: switched off, OTEL_INTERACTIONS_ENABLED=false",
            ["", "ns a call: median (least - most)"],
            [[title, _spread([told[title] for told in off])] for title in off[0]],
        ),
    ]


def _spread(figures: list[float]) -> str:
    return f"{median(figures):.0f} ({min(figures):.0f} - {max(figures):.0f})"


def _row(title: str, found: dict[tuple[str, str], list[dict[str, float]]], what: str, figure: str) -> list[str]:
    from measure import shares  # noqa: PLC0415

    stock = [told[figure] for told in found[what, "stock"]]
    ours = [told[figure] for told in found[what, "ours"]]
    return [title, f"{median(stock):.1f}", f"{median(ours):.1f}", shares(ours, stock)]


def _run(what: str, who: str, endpoint: str, calls: int) -> dict[str, float]:
    from measure import in_own_process  # noqa: PLC0415

    switches = {"PYTHONPATH": str(REPOSITORY)} | ({"OTEL_INTERACTIONS_ENABLED": "false"} if what == "off" else {})
    return in_own_process([sys.executable, __file__, what, who, endpoint, str(calls)], switches)


@contextmanager
def _slow(seconds: float) -> Iterator[tuple[str, Callable[[], int]]]:
    """Run a collector that takes so long for a request; yield its address and what counts the spans it took."""
    lock, spans = threading.Lock(), [0]

    def export(body: bytes, _context: grpc.ServicerContext) -> bytes:
        time.sleep(seconds)
        request = ExportTraceServiceRequest.FromString(body)
        with lock:
            spans[0] += sum(len(each.spans) for group in request.resource_spans for each in group.scope_spans)
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(export) if details.method == _EXPORT else None

    server = grpc.server(futures.ThreadPoolExecutor(8), [Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", lambda: spans[0]
    server.stop(None).wait()


# What follows runs in the processes that are measured.


@contextmanager
def _recording(who: str, endpoint: str) -> Iterator[Callable[[], object]]:
    """Yield what records one interaction; everything is sent, as far as that can be, at the end."""
    if who == "ours":
        oi.configure(service_name="bench", endpoint=endpoint, fallback_endpoint="off", set_global=False)
        with oi.session("bench", user_id="user-12345"):
            yield lambda: oi.user_message(TEXT, attributes=EXTRA)
        oi.flush(120_000 if endpoint != NOBODY else 0)
        return
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    tracer = provider.get_tracer("bench")

    def stock() -> None:
        with tracer.start_as_current_span("user_message", attributes=TWELVE):
            pass

    yield stock
    if endpoint != NOBODY:
        provider.shutdown()


def _call(record: Callable[[], object], calls: int) -> dict[str, float]:
    """Return what the thread that calls pays: CPU of many, and how long single ones take."""
    for _ in range(_CHUNK):
        record()
    began = time.thread_time_ns()
    for _ in range(calls):
        record()
    spent = time.thread_time_ns() - began
    waits = []
    for _ in range(calls):
        begun = time.perf_counter_ns()
        record()
        waits.append(time.perf_counter_ns() - begun)
    waits.sort()
    return {
        "cpu_us": spent / calls / 1e3,
        "p50_us": waits[len(waits) // 2] / 1e3,
        "p999_us": waits[int(len(waits) * 0.999)] / 1e3,
    }


def _off(calls: int) -> dict[str, float]:
    """Return what calls cost while nothing is recorded, in ns by name: the median of many short runs."""

    def weather(question: str) -> str:
        return question

    decorated = oi.tool_call(weather)
    return {
        "user_message": _short(lambda: oi.user_message(TEXT), calls),
        "user_message with attributes": _short(lambda: oi.user_message(TEXT, attributes=EXTRA), calls),
        "event": _short(lambda: oi.event("auth", "signed in"), calls),
        "decorated tool call": _short(lambda: decorated(TEXT), calls),
        "the same function, not decorated": _short(lambda: weather(TEXT), calls),
    }


def _short(call: Callable[[], object], calls: int) -> float:
    runs = []
    for _ in range(max(3, calls // _CHUNK)):
        began = time.perf_counter_ns()
        for _ in range(_CHUNK):
            call()
        runs.append((time.perf_counter_ns() - began) / _CHUNK)
    return median(runs)


def _most_mib() -> float:
    """Return the most memory this program ever had; rusage would count what its parent had when it was forked."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def main() -> None:
    """Measure one thing, print it as JSON, and end without waiting for what nobody takes."""
    what, who, endpoint, calls = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if what == "off":
        oi.configure(service_name="bench", endpoint=endpoint)
        print(json.dumps(_off(calls)), flush=True)
        os._exit(0)
    with _recording(who, endpoint) as record:
        if what == "call":
            told = _call(record, calls)
        else:
            began, cpu = time.monotonic(), time.process_time()
            for number in range(calls):
                record()
                if what == "total" and number % _CHUNK == 0:
                    time.sleep(0.05)  # below what fills the stock processor's queue of 2048
    if what != "call":
        told = {
            "calls": calls + (2 if who == "ours" else 0),  # the session's start and end
            "cpu_us": (time.process_time() - cpu) / calls * 1e6,
            "seconds": time.monotonic() - began,
            "rss_mib": _most_mib(),
        }
    print(json.dumps(told), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
