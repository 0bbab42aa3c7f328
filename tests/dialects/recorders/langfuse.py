"""Langfuse: its drop-in for OpenAI's client, an agent and a tool by its SDK, `propagate_attributes`."""

from __future__ import annotations

import os

from langfuse import Langfuse, observe, propagate_attributes
from langfuse.openai import OpenAI
from model_server import TOOL

from recorders.chat import calling, converse
from recorders.common import Flush, Run, get_weather


def langfuse(run: Run) -> Flush:
    """Record in Langfuse's dialect."""
    os.environ |= {"LANGFUSE_OTEL_COMPRESSION": "none", "LANGFUSE_OTEL_TRACES_EXPORT_PATH": "v1/traces"}
    client = Langfuse(public_key="pk-lf-test", secret_key="sk-lf-test", base_url=run.endpoint)  # noqa: S106
    with (
        client.start_as_current_observation(name="helper", as_type="agent"),
        propagate_attributes(session_id=run.session, user_id=run.user),
    ):
        openai = OpenAI(base_url=f"{run.model_url}/v1", api_key="none")
        converse(openai, calling(observe(name=TOOL, as_type="tool")(get_weather)))
    client.flush()
    return client.shutdown
