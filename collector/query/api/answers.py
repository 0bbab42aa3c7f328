"""The shapes of the answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Interaction(BaseModel):
    """One interaction, in the shape in which clients send it."""

    id: str = Field(description="Trace id and span id.")
    session_id: str
    user_id: str | None
    interaction_type: str
    content: dict[str, Any] = Field(description="What it is about; the fields depend on the type.")
    metadata: dict[str, Any] = Field(description="What is known beside it: tokens, model, times.")
    timestamp: str = Field(description="When it happened, ISO 8601, UTC.")
    created_at: str | None = Field(description="When the collector received it, ISO 8601, UTC.")
    tenant: str
    trace_id: str
    span_id: str


class InteractionPage(BaseModel):
    """Some interactions, the newest first."""

    interactions: list[Interaction]
    total: int = Field(description="How many there are in all.")
    next: str | None = Field(description="The cursor of the next page; null behind the last.")


class Failure(Interaction):
    """An error."""

    resolved: bool = Field(description="Whether somebody said that it is settled.")


class FailurePage(BaseModel):
    """Some errors, the newest first."""

    errors: list[Failure]
    next: str | None = Field(description="The cursor of the next page; null behind the last.")


class Session(BaseModel):
    """One session."""

    tenant: str
    session_id: str
    trace_id: str
    user_id: str
    service: str
    started_at: str
    last_activity_at: str
    ended_at: str | None = Field(description="Null while nobody ended it.")
    status: str = Field(description="active, ended or abandoned, as of now.")
    end_reason: str
    duration_ms: float
    interactions: int
    user_messages: int
    assistant_responses: int
    tool_calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    model: str
    mode: str


class SessionPage(BaseModel):
    """Some sessions, those that began last first."""

    sessions: list[Session]
    next: str | None = Field(description="The cursor of the next page; null behind the last.")


class Message(BaseModel):
    """One message of a conversation."""

    ts: str
    turn: int = Field(description="Counts what the user said.")
    role: str
    text: str
    tool_name: str
    tool_call_id: str
    tool_arguments: str
    tool_result: str
    model: str
    span_id: str


class Transcript(BaseModel):
    """What was said in a session, in order."""

    session_id: str
    messages: list[Message]


class SessionDetail(Session):
    """One session, and what was said in it."""

    transcript: list[Message]


class SessionStats(BaseModel):
    """How a session went."""

    total_messages: int = Field(description="What users said and what was answered.")
    conversation_count: int
    started_at: str
    last_activity: str
    avg_response_time: float | None = Field(description="Milliseconds; null without an answer.")
    duration_seconds: float
    is_active: bool


class Stats(BaseModel):
    """How much happened."""

    total_interactions: int
    total_sessions: int
    interaction_types: dict[str, int]
    daily_breakdown: dict[str, dict[str, int]] = Field(description="By day (UTC) and type, and `total`.")


class Resolution(BaseModel):
    """What somebody says of an error."""

    resolved: bool = Field(default=True, description="false opens it again.")
    note: str = Field(default="", max_length=2_000, description="Why, for others to read.")


class Resolved(Resolution):
    """What is on record of an error."""

    id: str
    said_by: str = Field(description="Id of the key; empty where none is asked for.")
    said_at: str


class Asked(BaseModel):
    """A question that may be asked by name."""

    name: str
    question: str
    parameters: dict[str, str] = Field(description="Their ClickHouse types.")


class Answer(BaseModel):
    """The answer to a question."""

    question: str
    since: str
    until: str
    rows: list[dict[str, Any]]
