"""OpenInference: its instrumentation of Gemini's client, no span of the application above."""

from __future__ import annotations

from openinference.instrumentation import using_attributes
from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor

from recorders.common import Flush, Run, provider
from recorders.gemini import converse


def openinference_gemini(run: Run) -> Flush:
    """Record in OpenInference."""
    made = provider(run)
    GoogleGenAIInstrumentor().instrument(tracer_provider=made)
    with using_attributes(session_id=run.session, user_id=run.user):
        converse(run)
    return made.shutdown
