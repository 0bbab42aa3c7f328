"""Programs that hold the conversation of model_server.py through real client libraries, recorded in real dialects.

    python -m recorders DIALECT OTLP_HTTP_ENDPOINT MODEL_URL SESSION USER

Three calls: a question whose answer is a call of a tool, the tool's result, and a question whose answer is streamed.
Each gives session and user the way its library has for that, or where it has none, as an application does: by a span
processor. The service is that of OTEL_SERVICE_NAME. Each runs in a process and an environment of its own.
"""

from __future__ import annotations

from typing import NamedTuple


class Recorder(NamedTuple):
    """Where a dialect's recorder is, a function of the dialect's name, and what it needs installed."""

    module: str
    environment: str  # of environment.py


_LIBRARIES = (
    "langfuse",
    "logfire",
    "openinference",
    "openinference_gemini",
    "openlit",
    "openllmetry",
    "otel_genai",
    "otel_genai_gemini",
    "otel_genai_legacy",
)
_FRAMEWORKS = ("livekit", "pipecat", "pydantic_ai")

DIALECTS = {
    **{name: Recorder(name, "libraries") for name in _LIBRARIES},
    "otel_genai_events": Recorder("otel_genai", "libraries"),
    **{name: Recorder(name, "frameworks") for name in _FRAMEWORKS},
    "google_adk": Recorder("google_adk", "adk"),
}
