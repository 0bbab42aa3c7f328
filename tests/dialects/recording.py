"""Runs a recorder against a live collector and returns what arrived.

    PYTHONPATH=.:tests/support:tests/dialects python tests/dialects/recording.py [DIALECT ...]

prints it for each dialect, to be read when a dialect is new or has changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from environment import python
from model_server import model_server
from processes import CollectorProcess, running
from recorders import DIALECTS

HERE = Path(__file__).parent
_TIMEOUT_SECONDS = 120

SPANS = "SELECT * FROM otel.otel_traces WHERE ServiceName = {service:String} ORDER BY Timestamp, Duration DESC"
LOGS = "SELECT * FROM otel.otel_logs WHERE ServiceName = {service:String} ORDER BY Timestamp"


class Recorded(NamedTuple):
    """What one recorder sent, as ClickHouse has it, and whose conversation it was."""

    service: str
    session: str
    user: str
    spans: list[dict[str, Any]]
    logs: list[dict[str, Any]]


def record(dialect: str, collector: CollectorProcess, model_url: str) -> Recorded:
    """Hold the conversation in a process of the dialect's own and wait until it is stored.

    Args:
        dialect: One of DIALECTS.
        collector: Where it is sent; running.
        model_url: The base URL of model_server().

    Raises:
        AssertionError: The recorder failed, or nothing arrived.
    """
    run = uuid.uuid4().hex[:12]
    service, session, user = f"{dialect}-{run}", f"session-{run}", f"user-{run}"
    arguments = [dialect, f"http://{collector.endpoints['http']}", model_url, session, user]
    own = {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent / 'support'}", "OTEL_SERVICE_NAME": service}
    done = subprocess.run(
        [python(DIALECTS[dialect].environment), "-m", "recorders", *arguments],
        env=_ours() | own,
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, f"the recorder of {dialect} failed:\n{done.stdout}\n{done.stderr}"
    collector.wait_until_stored()
    spans, logs = collector.ask(SPANS, service=service), collector.ask(LOGS, service=service)
    assert spans, f"nothing of {dialect} arrived:\n{done.stdout}\n{done.stderr}"
    return Recorded(service, session, user, spans, logs)


def _ours() -> dict[str, str]:
    """Return this process' variables without those that steer OpenTelemetry or the libraries."""
    steering = ("OTEL_", "LANGFUSE_", "LOGFIRE_", "TRACELOOP_", "OPENLIT_", "OPENINFERENCE_", "ADK_", "LIVEKIT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(steering)}


def _told(recorded: Recorded) -> Iterator[str]:
    names = {span["SpanId"]: span["SpanName"] for span in recorded.spans}
    for span in recorded.spans:
        parent = names.get(span["ParentSpanId"], span["ParentSpanId"])
        yield f"span {span['SpanName']!r}, scope {span['ScopeName']}, {span['SpanKind']}, below {parent!r}"
        yield from (f"    {key} = {value}" for key, value in span["SpanAttributes"].items())
        for name, attributes in zip(span["Events.Name"], span["Events.Attributes"], strict=True):
            yield f"    event {name}: {attributes}"
    for log in recorded.logs:
        yield f"log {log['EventName']!r}, scope {log['ScopeName']}, in {names.get(log['SpanId'])!r}: {log['Body']}"
        yield from (f"    {key} = {value}" for key, value in log["LogAttributes"].items())


def main() -> None:
    """Print what arrives of the dialects named, or of all."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", "--batch-seconds", "0.2") as collector,
        model_server() as model_url,
    ):
        for dialect in sys.argv[1:] or DIALECTS:
            recorded = record(dialect, collector, model_url)
            print(f"\n==> {dialect}: {len(recorded.spans)} spans, {len(recorded.logs)} log records")
            print("\n".join(_told(recorded)))


if __name__ == "__main__":
    main()
