"""OpenTelemetry's GenAI conventions, the latest: its instrumentation of OpenAI, and opentelemetry-util-genai.

The latter is what instrumentations are made with; agent and tool are recorded by it here, and it hands the id of the
conversation down to the calls of the model.
"""

from __future__ import annotations

import os
from typing import Any

from model_server import TOOL
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.util.genai.handler import TelemetryHandler

from recorders.chat import calling, converse, openai_client
from recorders.common import Flush, Run, get_weather, logger_provider, provider

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def otel_genai(run: Run) -> Flush:
    """Record with the content on spans."""
    os.environ[CAPTURE] = "span_only"
    return _record(run)


def otel_genai_events(run: Run) -> Flush:
    """Record with the content on log events."""
    os.environ |= {CAPTURE: "event_only", "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true"}
    return _record(run)


def _record(run: Run) -> Flush:
    spans, logs = provider(run, {"user.id": run.user}), logger_provider(run)
    OpenAIInstrumentor().instrument(tracer_provider=spans, logger_provider=logs)
    handler = TelemetryHandler(tracer_provider=spans, logger_provider=logs)

    def use(call: Any) -> str:
        with handler.tool(TOOL, tool_type="function") as invocation:
            invocation.tool_call_id = call.id
            invocation.arguments = call.function.arguments
            invocation.tool_result = result = calling(get_weather)(call)
        return result

    with handler.invoke_local_agent(agent_name="helper", conversation_id=run.session):
        converse(openai_client(run), use)
    return lambda: (spans.shutdown(), logs.shutdown())
