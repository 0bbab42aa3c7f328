"""Interaction logging for applications that talk with people, on OpenTelemetry: this is the whole public surface."""

from otel_interactions.baggage import session_id_in_baggage
from otel_interactions.configure import configure, flush, shutdown, status
from otel_interactions.errors import ConfigurationError, InteractionsError
from otel_interactions.export.exporter import Flushed
from otel_interactions.interactions import (
    audio_input,
    audio_output,
    error,
    event,
    performance_metric,
    state_transition,
    ui_event,
    user_message,
)
from otel_interactions.models import AgentRun, Generation, Retrieval, agent_run, feedback, generation, retrieval
from otel_interactions.recorder import Status
from otel_interactions.recording import Recording
from otel_interactions.responses import AssistantResponse, assistant_response
from otel_interactions.session import Session, current_session, resume, session
from otel_interactions.settings import SETTINGS
from otel_interactions.tools import ToolCall, tool_call, tool_response

__version__ = "0.1.0"

__all__ = [
    "SETTINGS",
    "AgentRun",
    "AssistantResponse",
    "ConfigurationError",
    "Flushed",
    "Generation",
    "InteractionsError",
    "Recording",
    "Retrieval",
    "Session",
    "Status",
    "ToolCall",
    "agent_run",
    "assistant_response",
    "audio_input",
    "audio_output",
    "configure",
    "current_session",
    "error",
    "event",
    "feedback",
    "flush",
    "generation",
    "performance_metric",
    "resume",
    "retrieval",
    "session",
    "session_id_in_baggage",
    "shutdown",
    "state_transition",
    "status",
    "tool_call",
    "tool_response",
    "ui_event",
    "user_message",
]
