"""OpenLIT: its instrumentation of OpenAI, `start_trace` and `trace`, `using_attributes`."""

from __future__ import annotations

import os
from typing import Any

import openlit as library
from openlit._instrumentors import MODULE_NAME_MAP
from opentelemetry import _logs, trace

from recorders.chat import calling, converse, openai_client
from recorders.common import Flush, Run, get_weather


def openlit(run: Run) -> Flush:
    """Record in OpenLIT's dialect."""
    library.init(
        service_name=os.environ["OTEL_SERVICE_NAME"],
        otlp_endpoint=run.endpoint,
        disable_metrics=True,
        disabled_instrumentors=[name for name in MODULE_NAME_MAP if name != "openai"],
        pricing_json=os.devnull,  # else it asks the network
    )
    with library.start_trace("helper"), library.using_attributes({"session.id": run.session, "user.id": run.user}):
        converse(openai_client(run), calling(library.trace(get_weather)))
    spans: Any = trace.get_tracer_provider()
    logs: Any = _logs.get_logger_provider()
    return lambda: (spans.shutdown(), logs.shutdown())
