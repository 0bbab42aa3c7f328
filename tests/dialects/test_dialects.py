"""One conversation, recorded by every dialect, reads the same: transcript, session, tokens.

The table of what each dialect says, in collector/README.md, is what these tests found.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import exporter_rows
import httpx
import pytest
from exporter_rows import COLUMNS
from model_server import (
    ANSWER,
    ARGUMENTS,
    CALL_ID,
    FAREWELL,
    FOLLOW_UP,
    GEMINI,
    MODEL,
    QUESTION,
    RESPONSE_MODEL,
    RESULT,
    SYSTEM,
    TOKENS,
    TOOL,
    model_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import CollectorProcess
from recorders import DIALECTS
from recording import record
from recordings import RECORDINGS, recording

README = Path(__file__).parents[2] / "collector" / "README.md"
CONVERSATION = [
    (0, "system", SYSTEM, None),
    (1, "user", QUESTION, None),
    (1, "tool", "", (TOOL, ARGUMENTS, RESULT)),
    (1, "assistant", ANSWER, None),
    (2, "user", FOLLOW_UP, None),
    (2, "assistant", FAREWELL, None),
]
TOTAL = tuple(map(sum, zip(*TOKENS, strict=True)))
EVERY = [*DIALECTS, *RECORDINGS]
# Three kinds of carriers; `make dialects` records all, with frameworks of 400 MB.
SHORT = {"openinference", "langfuse", "otel_genai_legacy", *RECORDINGS}
WANTED = EVERY if os.environ.get("DIALECTS") == "all" else [name for name in EVERY if name in SHORT]

TRANSCRIPT = """SELECT turn, role, text, tool_name, tool_call_id, tool_arguments, tool_result
FROM otel.transcript WHERE session_id = {session:String}"""
SESSIONS = "SELECT * FROM otel.sessions WHERE service = {service:String}"
INTERACTIONS = "SELECT * FROM otel.interactions WHERE service = {service:String} ORDER BY ts"

FIELDS = (
    "conversation",
    "session",
    "user",
    "model",
    "answered by",
    "tokens",
    "cached",
    "reasoning",
    "finish",
    "first token",
    "tool",
    "agent",
    "cost",
)
_found: dict[str, dict[str, bool]] = {}


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    """Run the model."""
    with model_server() as url:
        yield url


@pytest.fixture(scope="module", params=WANTED)
def recorded(
    request: pytest.FixtureRequest, collector: CollectorProcess, model_url: str
) -> tuple[str, str, str, str, CollectorProcess]:
    """Record the conversation; return the dialect, service, session, user."""
    dialect = request.param
    if dialect in DIALECTS:
        found = record(dialect, collector, model_url)
        return dialect, found.service, found.session, found.user, collector
    service, session, user = (f"{what}-{uuid.uuid4().hex[:12]}" for what in (dialect, "session", "user"))
    _send(collector, recording(dialect, service, session, user))
    return dialect, service, session, user, collector


def _send(collector: CollectorProcess, request: ExportTraceServiceRequest) -> None:
    """Send a recording."""
    url = f"http://{collector.endpoints['http']}/v1/traces"
    kind = {"Content-Type": "application/x-protobuf"}
    httpx.post(url, content=request.SerializeToString(), headers=kind).raise_for_status()
    collector.wait_until_stored()


def _tool(row: dict[str, Any]) -> tuple[str, Any, str] | None:
    """Return what a row says of a tool."""
    if row["role"] != "tool":
        return None
    return row["tool_name"], json.loads(row["tool_arguments"]), row["tool_result"]


def test_the_transcript(recorded: tuple[str, str, str, str, CollectorProcess]) -> None:
    """Each message is there once, in order, the tool's call with its arguments and result."""
    dialect, _, session, _, collector = recorded
    rows = collector.ask(TRANSCRIPT, session=session)
    found = [(row["turn"], row["role"], row["text"], _tool(row)) for row in rows]
    if dialect == "google_adk":  # it tells the model something of its own beside
        assert found[0][2].startswith(SYSTEM)
        found[0] = CONVERSATION[0]
    assert found == CONVERSATION
    assert {row["tool_call_id"] for row in rows} <= {"", CALL_ID}
    _found.setdefault(dialect, {})["conversation"] = True


def test_the_session(recorded: tuple[str, str, str, str, CollectorProcess]) -> None:
    """It is one session, of the user, with the messages and tokens of the conversation, each counted once."""
    dialect, service, session, user, collector = recorded
    (row,) = collector.ask(SESSIONS, service=service)
    assert row["session_id"] == session
    assert (row["user_messages"], row["assistant_responses"]) == (2, 2)
    assert (row["input_tokens"], row["output_tokens"]) == TOTAL
    assert row["errors"] == 0
    assert row["user_id"] in {user, ""}
    _found.setdefault(dialect, {}).update(session=True, user=row["user_id"] == user)


def test_the_fields(recorded: tuple[str, str, str, str, CollectorProcess]) -> None:
    """Three model calls, each once, with the tokens of each; the rest as the dialect says it."""
    dialect, service, _, _, collector = recorded
    rows = collector.ask(INTERACTIONS, service=service)
    calls = [row for row in rows if row["type"] == "generation"]
    assert [(row["input_tokens"], row["output_tokens"]) for row in calls] == list(TOKENS)
    assert [row["input_text"] for row in calls] == [QUESTION, calls[1]["input_text"], FOLLOW_UP]
    assert [row["output_text"] for row in calls] == ["", ANSWER, FAREWELL]
    assert {row["dialect"] for row in rows} == {_family(dialect)}
    assert {row["model"] for row in calls} <= {MODEL, RESPONSE_MODEL, GEMINI}
    tools = [row for row in rows if row["type"] == "tool_call"]
    assert len(tools) <= 1
    _found.setdefault(dialect, {}).update(
        {
            "model": all(row["model"] in {MODEL, GEMINI} for row in calls),
            "answered by": all(row["response_model"] in {RESPONSE_MODEL, GEMINI} for row in calls),
            "tokens": True,
            "cached": calls[1]["cached_tokens"] == 32,
            "reasoning": calls[1]["reasoning_tokens"] == 3,
            "finish": all(row["finish_reason"] for row in calls),
            "first token": calls[2]["ttft_ms"] > 0,
            "tool": bool(tools) and bool(tools[0]["tool_arguments"]) and bool(tools[0]["tool_result"]),
            "agent": any(row["type"] == "agent_run" for row in rows),
            "cost": all(row["cost_usd"] is not None for row in calls),
        }
    )


# What must be the same however the rows came.
SAME = (
    """SELECT turn, role, text, tool_name, tool_call_id, tool_arguments, tool_result, model FROM otel.transcript
    WHERE session_id = '{session}' ORDER BY ts""",
    """SELECT type, role, input_text, output_text, provider, model, response_model, input_tokens, output_tokens,
        cached_tokens, reasoning_tokens, toString(cost_usd), finish_reason, tool_name, tool_call_id, tool_arguments,
        tool_result, user_id, agent_name, dialect
    FROM otel.interactions WHERE service = '{service}' ORDER BY ts, span_id""",
    """SELECT session_id, user_id, interactions, user_messages, assistant_responses, tool_calls, errors, input_tokens,
        output_tokens, toString(cost_usd), model
    FROM otel.sessions WHERE service = '{service}' ORDER BY session_id""",
)


@pytest.fixture(scope="module")
def exporter() -> Iterator[subprocess.Popen[str]]:
    """The process that keeps rows as the exporter inserts them; each dialect's are of a service of their own."""
    command = [sys.executable, str(Path(exporter_rows.__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate(timeout=120)
    assert process.returncode == 0


def test_rows_of_the_exporter(
    recorded: tuple[str, str, str, str, CollectorProcess], exporter: subprocess.Popen[str]
) -> None:
    """The same spans and log records, inserted as the OpenTelemetry Collector's exporter does, read the same."""
    _, service, session, _, collector = recorded
    questions = [sql.format(service=service, session=session) for sql in SAME]
    rows = {
        table: collector.ask(
            f"SELECT {', '.join(columns)} FROM otel.{table} WHERE ServiceName = {{service:String}}", service=service
        )
        for table, columns in COLUMNS.items()
    }
    assert rows["otel_traces"]
    assert exporter.stdin
    assert exporter.stdout
    order = {"rows": {table: found for table, found in rows.items() if found}, "questions": questions}
    print(json.dumps(order), file=exporter.stdin, flush=True)
    answers = exporter.stdout.readline()
    assert answers, "the process ended; what it said is above"
    for question, found in zip(questions, json.loads(answers), strict=True):
        assert found == [list(row.values()) for row in collector.ask(question)], question
        assert found


def _family(dialect: str) -> str:
    """Return what a recorder's dialect is called in the column."""
    return "vercel_ai" if dialect in RECORDINGS else re.sub("_(gemini|events)$", "", dialect)


def test_the_table() -> None:
    """The table in README is what was found."""
    if list(_found) != EVERY:
        pytest.skip("not all dialects were recorded in this process: make dialects")
    head = ["| recorded by | " + " | ".join(FIELDS) + " |", "|---" * (len(FIELDS) + 1) + "|"]
    rows = [
        f"| `{dialect}` | " + " | ".join("yes" if said.get(field) else "" for field in FIELDS) + " |"
        for dialect, said in _found.items()
    ]
    table = "\n".join(head + rows)
    text = README.read_text()
    found = re.search(r"(<!-- dialects:.*?-->\n)(.*?)(<!-- end -->)", text, re.DOTALL)
    assert found
    if os.environ.get("REGENERATE"):
        README.write_text(text[: found.start(2)] + table + "\n" + text[found.end(2) :])
    else:
        assert found[2].strip() == table, "run: REGENERATE=1 make dialects"
