"""Logfire: its instrumentation of OpenAI's client, `span` and `instrument`, baggage on every span."""

from __future__ import annotations

import logfire as library
from model_server import TOOL

from recorders.chat import calling, converse, openai_client
from recorders.common import Flush, Run, exporting, get_weather


def logfire(run: Run) -> Flush:
    """Record in Logfire's dialect."""
    library.configure(send_to_logfire=False, console=False, metrics=False, additional_span_processors=[exporting(run)])
    client = openai_client(run)
    library.instrument_openai(client)
    tool = library.instrument(TOOL, extract_args=True, record_return=True)(get_weather)
    with library.set_baggage(**{"session.id": run.session, "user.id": run.user}), library.span("helper"):
        converse(client, calling(tool))
    return library.shutdown
