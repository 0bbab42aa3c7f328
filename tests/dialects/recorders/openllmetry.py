"""OpenLLMetry: Traceloop's SDK with its instrumentation of OpenAI, its decorators, association properties."""

from __future__ import annotations

import os
from typing import Any

from model_server import TOOL
from opentelemetry import trace
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import tool, workflow
from traceloop.sdk.instruments import Instruments

from recorders.chat import calling, converse, openai_client
from recorders.common import Flush, Run, get_weather


def openllmetry(run: Run) -> Flush:
    """Record in OpenLLMetry."""
    Traceloop.init(
        app_name=os.environ["OTEL_SERVICE_NAME"], api_endpoint=run.endpoint, instruments={Instruments.OPENAI}
    )
    Traceloop.set_association_properties({"session_id": run.session, "user_id": run.user})

    @workflow(name="helper")
    def talk() -> None:
        converse(openai_client(run), calling(tool(name=TOOL)(get_weather)))

    talk()
    made: Any = trace.get_tracer_provider()
    return made.shutdown
