"""What one recorded tool call costs, beside the stock SDK and the decorators of Langfuse, Traceloop, OpenLIT, Logfire.

Each records the same call: name, five arguments (one a text of 300 bytes), result, session id, user id; what came to
ClickHouse is looked through for them. Each runs in a process of its own (`python peers.py WHO ENDPOINT CALLS`), in
turn, ours and the stock SDK too in the environment of the others, so that OpenTelemetry is the same for all: it is made
on first use in `.cache`, from `peers-requirements.txt`. Measured is from when 500 calls have arrived until all have.

What is not alike, and in whose favour:

- Ours and `stock` send over gRPC, their default; the others over HTTP, theirs, and so does `stock, HTTP`.
- Ours writes each call to its spool on disk. What the others have waiting is lost with the process.
- The others are spared what the call does not need: compression (Langfuse), metrics (Traceloop, OpenLIT, Logfire),
  instrumenting other libraries (Traceloop, OpenLIT), scrubbing (Logfire), a price list from the network (OpenLIT).
- Each call is below one span that is open all the time, made by the library where it has a way to.
- `@openlit.trace` knows no session and no user: the function sets them on its span. It writes arguments as Python does,
  not as JSON, and a result that is no attribute's value not at all, which is why the result is a text.
- `stock` writes what ours does: also an id of the call, the result's length, a number, the id of the process. The
  others add what they think useful; the table says how many bytes of attributes a call has.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("peers-requirements.txt")
ENVIRONMENT = REPOSITORY / ".cache" / "bench-peers"

SESSION, USER = "0f3b2c9e-1111-2222-3333-444455556666", "user-12345"
QUESTION = "The quick brown fox asks the lazy dog what the weather will be like in Paris tomorrow, politely. "[:100] * 3
RESULT = (
    "Cloudy in the morning, sunny from noon on, 21 degrees, wind from the west at 12 km/h, no rain before Thursday."
)
_CHUNK, _PAUSE_SECONDS = 500, 0.2  # below what fills a queue of 2048 spans, even where sending one takes 400 us
_SESSION_SPANS = 2  # at most: the one that is open all the time, or ours of a session's start and end

SWITCHES = {
    "LANGFUSE_OTEL_COMPRESSION": "none",
    "LANGFUSE_OTEL_TRACES_EXPORT_PATH": "v1/traces",
    "TRACELOOP_METRICS_ENABLED": "false",
}

ARRIVED = """SELECT count() AS spans, countIf(whole) AS calls, round(avgIf(length(said), whole)) AS bytes,
  anyIf(said, NOT whole) AS other
FROM (
  SELECT arrayStringConcat(arrayConcat(mapKeys(SpanAttributes), mapValues(SpanAttributes)), ' ') AS said,
    SpanName LIKE '%weather%' AND arrayAll(text -> position(said, text) > 0, {texts:Array(String)}) AS whole
  FROM otel.otel_traces WHERE ServiceName = {service:String})"""
CONTENT = [QUESTION, RESULT, SESSION, USER, "Paris", "metric", "17.25", "turn-"]


def peers(rounds: int, calls: int) -> Any:
    """Measure each in turn; return the table."""
    from processes import running  # noqa: PLC0415 - not in the processes that are measured
    from report import Table  # noqa: PLC0415

    python = _environment()
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in PEERS}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as collector:
        for number in range(rounds):
            for who, peer in PEERS.items():
                service = f"{who}-{number}"
                told = _run(python, who, f"http://{collector.endpoints[peer.transport]}", calls, service)
                collector.wait_until_stored()
                row = collector.ask(ARRIVED, service=service, texts=str(CONTENT))[0]
                found[who].append(told | _arrived(row, who))
    columns = [
        "",
        "calling thread, CPU us",
        "whole process, CPU us",
        "ours / theirs: median (least - most)",
        "arrived / recorded",
        "bytes of attributes",
    ]
    return [Table("SDK: a decorated tool call, 500 bytes of content, sent to a live collector", columns, _rows(found))]


def _environment() -> Path:
    """Return the Python that has the others, installed when it is not as wanted."""
    wanted = f"{platform.python_version()}\n{REQUIREMENTS.read_text()}"
    ready, python = ENVIRONMENT / ".ready", ENVIRONMENT / "bin" / "python"
    if not ready.exists() or ready.read_text() != wanted:
        print(f"==> installing what is compared into {ENVIRONMENT}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, "--no-deps", "-r", REQUIREMENTS], check=True)
        ready.write_text(wanted)
    return python


def _run(python: Path, who: str, endpoint: str, calls: int, service: str) -> dict[str, Any]:
    from measure import in_own_process  # noqa: PLC0415

    own = {"PYTHONPATH": str(REPOSITORY), "OTEL_SERVICE_NAME": service}
    return in_own_process([python, __file__, who, endpoint, str(calls)], SWITCHES | own)


def _arrived(row: dict[str, Any], who: str) -> dict[str, Any]:
    """Return what ClickHouse has of one run; fail where it is not the content to be compared."""
    assert row["calls"], (
        f"no call of {who} arrived with the whole content, but {row['spans']} other spans: {row['other']}"
    )
    lacking = row["spans"] - row["calls"]
    assert lacking <= _SESSION_SPANS, f"{lacking} spans of {who} have not the whole content: {row['other']}"
    return {"arrived": row["calls"], "bytes": row["bytes"]}


def _rows(found: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    from measure import shares  # noqa: PLC0415

    rows = []
    for who, runs in found.items():
        cpu = [each["cpu_us"] for each in runs]
        rows.append(
            [
                f"{PEERS[who].title} {runs[0]['version']}",
                f"{median(each['thread_us'] for each in runs):.1f}",
                f"{median(cpu):.1f}",
                "" if who == "ours" else shares([each["cpu_us"] for each in found["ours"]], cpu),
                f"{sum(each['arrived'] for each in runs):,} / {sum(each['recorded'] for each in runs):,}",
                f"{runs[0]['bytes']:.0f}",
            ]
        )
    return rows


# What follows runs in the processes that are measured. Each of these yields the tool, recorded when it is called, and
# what sends all there is; each imports what it records with, so that nobody pays for the others.

Tool = Callable[..., str]
Flush = Callable[[], object]
Recorder = Iterator[tuple[Tool, Flush]]


def weather(*, question: str, city: str, units: str, score: float, turn: str) -> str:  # noqa: ARG001 - recorded
    """Be the tool that is called."""
    return RESULT


@contextmanager
def _ours(endpoint: str) -> Recorder:
    import otel_interactions as oi  # noqa: PLC0415

    def flush() -> None:
        assert oi.flush(120_000)

    oi.configure(endpoint=endpoint, fallback_endpoint="off")
    with oi.session(SESSION, user_id=USER):
        yield oi.tool_call(weather), flush
    flush()


@contextmanager
def _stock(endpoint: str) -> Recorder:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    with _by_hand(OTLPSpanExporter(endpoint=endpoint, insecure=True)) as made:
        yield made


@contextmanager
def _stock_http(endpoint: str) -> Recorder:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    with _by_hand(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")) as made:
        yield made


@contextmanager
def _by_hand(exporter: Any) -> Recorder:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("bench")
    always: dict[str, Any] = {
        "session.id": SESSION,
        "user.id": USER,
        "service.instance.id": "abcdef01-2222-3333-4444-555566667777",
        "interaction.type": "tool_call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
    }
    numbers = iter(range(1 << 62))

    def call(**arguments: Any) -> str:
        number = next(numbers)
        attributes = {
            **always,
            "interaction.sequence": number,
            "gen_ai.tool.call.id": f"call_{number:032x}",
            "gen_ai.tool.call.arguments": json.dumps(arguments),
        }
        with tracer.start_as_current_span("tool_call weather", attributes=attributes) as span:
            result = weather(**arguments)
            span.set_attribute("gen_ai.tool.call.result", result)
            span.set_attribute("interaction.text.length", len(result))
            return result

    with tracer.start_as_current_span("session"):
        yield call, provider.force_flush
    provider.shutdown()


@contextmanager
def _langfuse(endpoint: str) -> Recorder:
    import langfuse  # noqa: PLC0415

    client = langfuse.Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", base_url=endpoint)  # noqa: S106
    session = langfuse.propagate_attributes(session_id=SESSION, user_id=USER)
    with client.start_as_current_observation(name="session"), session:
        yield langfuse.observe(as_type="tool")(weather), client.flush
    client.shutdown()


@contextmanager
def _traceloop(endpoint: str) -> Recorder:
    from opentelemetry import trace  # noqa: PLC0415
    from traceloop.sdk import Traceloop  # noqa: PLC0415
    from traceloop.sdk.decorators import tool  # noqa: PLC0415
    from traceloop.sdk.tracing import get_tracer  # noqa: PLC0415

    Traceloop.init(app_name=os.environ["OTEL_SERVICE_NAME"], api_endpoint=endpoint, instruments=set())
    Traceloop.set_association_properties({"session_id": SESSION, "user_id": USER})
    provider: Any = trace.get_tracer_provider()
    with get_tracer() as tracer, tracer.start_as_current_span("session"):
        yield tool(name="weather")(weather), provider.force_flush
    provider.shutdown()


@contextmanager
def _openlit(endpoint: str) -> Recorder:
    import openlit  # noqa: PLC0415
    from openlit._instrumentors import MODULE_NAME_MAP  # noqa: PLC0415
    from opentelemetry import trace  # noqa: PLC0415

    openlit.init(
        service_name=os.environ["OTEL_SERVICE_NAME"],
        otlp_endpoint=endpoint,
        disable_metrics=True,
        disable_events=True,
        disabled_instrumentors=list(MODULE_NAME_MAP),
        pricing_json=os.devnull,  # else it asks the network
    )
    provider: Any = trace.get_tracer_provider()

    def weather(*, question: str, city: str, units: str, score: float, turn: str) -> str:  # noqa: ARG001 - recorded
        trace.get_current_span().set_attributes({"session.id": SESSION, "user.id": USER})
        return RESULT

    with openlit.start_trace("session"):
        yield openlit.trace(weather), provider.force_flush
    provider.shutdown()


@contextmanager
def _logfire(endpoint: str) -> Recorder:
    import logfire  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        scrubbing=False,
        additional_span_processors=[BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))],
    )
    with logfire.set_baggage(session_id=SESSION, user_id=USER), logfire.span("session"):
        yield logfire.instrument("weather", extract_args=True, record_return=True)(weather), logfire.force_flush
    logfire.shutdown()


class Peer(NamedTuple):
    """One that is measured."""

    title: str
    package: str
    transport: str  # which of the collector's endpoints
    open: Callable[[str], AbstractContextManager[tuple[Tool, Flush]]]


PEERS = {
    "ours": Peer("ours: @oi.tool_call", "", "grpc", _ours),
    "stock": Peer("stock SDK, by hand", "opentelemetry-sdk", "grpc", _stock),
    "stock-http": Peer("stock SDK, by hand, HTTP", "opentelemetry-sdk", "http", _stock_http),
    "langfuse": Peer("Langfuse @observe", "langfuse", "http", _langfuse),
    "traceloop": Peer("Traceloop @tool", "traceloop-sdk", "http", _traceloop),
    "openlit": Peer("OpenLIT @openlit.trace", "openlit", "http", _openlit),
    "logfire": Peer("Logfire @logfire.instrument", "logfire", "http", _logfire),
}


def _called(tool: Tool, calls: int) -> int:
    """Call the tool so often, with pauses; return the nanoseconds of CPU that took the thread."""
    spent = 0
    for first in range(0, calls, _CHUNK):
        began = time.thread_time_ns()
        for number in range(first, min(first + _CHUNK, calls)):
            tool(question=QUESTION, city="Paris", units="metric", score=17.25, turn=f"turn-{number}")
        spent += time.thread_time_ns() - began
        time.sleep(_PAUSE_SECONDS)
    return spent


def main() -> None:
    """Measure one and print it as JSON."""
    who, endpoint, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with PEERS[who].open(endpoint) as (tool, flush):
        _called(tool, _CHUNK)
        flush()
        began = time.process_time_ns()
        thread = _called(tool, calls)
        flush()
        spent = time.process_time_ns() - began
    package = PEERS[who].package
    told = {
        "version": version(package) if package else "",
        "recorded": _CHUNK + calls,
        "thread_us": thread / calls / 1e3,
        "cpu_us": spent / calls / 1e3,
    }
    print(json.dumps(told), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
