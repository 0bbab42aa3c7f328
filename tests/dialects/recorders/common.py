"""What the recorders share: what to record and where to, the tool, providers that send to the collector."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from model_server import ARGUMENTS, RESULT
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

Flush = Callable[[], object]


class Run(NamedTuple):
    """One conversation to hold: where spans go, where the model is, whose it is."""

    endpoint: str  # of OTLP over HTTP
    model_url: str
    session: str
    user: str


def get_weather(city: str) -> str:
    """Return the weather in a city."""
    assert city == ARGUMENTS["city"]
    return RESULT


class Naming(SpanProcessor):
    """Writes attributes on every span, as an application does whose dialect has no way to."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self._attributes = attributes

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the base's name
        span.set_attributes(self._attributes)


def exporting(run: Run) -> SpanProcessor:
    """Return a processor that sends spans to the collector."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{run.endpoint}/v1/traces"))


def provider(run: Run, attributes: dict[str, str] | None = None) -> TracerProvider:
    """Return a tracer provider that sends to the collector, set as the process' own.

    Args:
        run: Says where to.
        attributes: To write on every span.
    """
    made = TracerProvider()
    made.add_span_processor(Naming(attributes or {}))
    made.add_span_processor(exporting(run))
    trace.set_tracer_provider(made)
    return made


def logger_provider(run: Run) -> LoggerProvider:
    """Return a logger provider that sends to the collector, set as the process' own."""
    made = LoggerProvider()
    made.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{run.endpoint}/v1/logs")))
    set_logger_provider(made)
    return made
