"""OpenInference: its instrumentation of OpenAI, an agent and a tool by its tracer, `using_attributes`."""

from __future__ import annotations

from model_server import TOOL
from openinference.instrumentation import OITracer, TraceConfig, using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor

from recorders.chat import calling, converse, openai_client
from recorders.common import Flush, Run, get_weather, provider


def openinference(run: Run) -> Flush:
    """Record in OpenInference."""
    made = provider(run)
    OpenAIInstrumentor().instrument(tracer_provider=made)
    tracer = OITracer(made.get_tracer("app"), config=TraceConfig())
    with (
        using_attributes(session_id=run.session, user_id=run.user),
        tracer.start_as_current_span("helper", openinference_span_kind="agent"),
    ):
        converse(openai_client(run), calling(tracer.tool(name=TOOL)(get_weather)))
    return made.shutdown
