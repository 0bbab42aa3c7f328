"""OpenTelemetry's GenAI conventions, the latest: its instrumentation of Gemini's client."""

from __future__ import annotations

import os

from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

from recorders.common import Flush, Run, logger_provider, provider
from recorders.gemini import converse


def otel_genai_gemini(run: Run) -> Flush:
    """Record with the content on spans."""
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"
    spans, logs = provider(run, {"session.id": run.session, "user.id": run.user}), logger_provider(run)
    GoogleGenAiSdkInstrumentor().instrument(tracer_provider=spans, logger_provider=logs)
    with spans.get_tracer("app").start_as_current_span("request"):
        converse(run)
    return lambda: (spans.shutdown(), logs.shutdown())
