"""OpenTelemetry's GenAI conventions up to 1.36: the instrumentation of OpenAI that writes a log event a message."""

from __future__ import annotations

import os

from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

from recorders.chat import converse, openai_client
from recorders.common import Flush, Run, logger_provider, provider


def otel_genai_legacy(run: Run) -> Flush:
    """Record below a span of the application."""
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"
    spans, logs = provider(run, {"session.id": run.session, "user.id": run.user}), logger_provider(run)
    OpenAIInstrumentor().instrument(tracer_provider=spans, logger_provider=logs)
    with spans.get_tracer("app").start_as_current_span("request"):
        converse(openai_client(run))
    return lambda: (spans.shutdown(), logs.shutdown())
