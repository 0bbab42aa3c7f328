"""`make demo`: a collector of its own, real programs that record into it, and everything read back and counted.

Nothing is simulated: the collector and each program are processes of their own, OTLP goes over sockets, and every
answer comes out of ClickHouse through the collector's SQL port. The programs are in `otel_interactions/examples`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from collector import datadir
from collector.errors import CollectorError
from collector.query import questions, show

_START_SECONDS, _LOAD_SECONDS = 60.0, 30.0
_IDLE_SECONDS = 1.0  # so that the session nobody ends reads as abandoned while you watch
_EXAMPLES = "otel_interactions.examples"
_SHOWN = "demo-chat-anna"  # the session whose transcript is printed

# (label, module, arguments); each runs in a process of its own, those of one list at the same time
_Program = tuple[str, str, tuple[str, ...]]
_PROGRAMS: list[list[_Program]] = [
    [
        ("chat", "chat", ()),
        ("voice", "voice", ()),
        ("handover-1", "handover", ("start",)),
        ("dropped", "dropped", ()),
        ("stock-grpc", "stock", ("grpc",)),
        ("stock-http", "stock", ("http",)),
    ],
    [("handover-2", "handover", ("finish",))],
]

_BY_PROCESS = """
SELECT
  ResourceAttributes['demo.process'] AS process,
  count() AS rows,
  uniqExact(SpanId) AS spans,
  groupUniqArray(SpanId) AS ids,
  uniqExact(SpanAttributes['interaction.sequence']) AS numbers,
  max(toUInt64OrZero(SpanAttributes['interaction.sequence'])) AS last_number
FROM otel.otel_traces
GROUP BY process
"""


@dataclass
class _Recorded:
    """What one process said it recorded: a count, or the very span ids."""

    label: str
    count: int
    spans: set[str] = field(default_factory=set)


def run(console: Console, *, keep: bool) -> bool:
    """Run the demo; return whether every interaction recorded is in ClickHouse exactly once.

    Raises:
        CollectorError: the collector or a program did not run.
    """
    folder = Path(tempfile.mkdtemp(prefix="otel-interactions-demo-"))
    try:
        with _collector(console, folder) as endpoints:
            recorded = [each for group in _PROGRAMS for each in _record(console, group, endpoints, folder)]
            asker = questions.Asker(f"http://{endpoints['sql']}")
            with contextlib.closing(asker):
                complete = _check(console, asker, recorded)
                _print_answers(console, asker)
            _print_verdict(console, recorded, complete=complete)
            return complete
    finally:
        if keep:
            console.print(f"data kept in {folder}; look again with: otel-interactions serve --data-dir {folder}")
        else:
            shutil.rmtree(folder)


@contextlib.contextmanager
def _collector(console: Console, folder: Path) -> Iterator[dict[str, str]]:
    """Run a collector on free ports; yield where it listens; stop it with SIGTERM."""
    console.print("[bold]1.[/] starting a collector on embedded ClickHouse …")
    command = [sys.executable, "-m", "collector", "serve", "--data-dir", str(folder)]
    command += ["--grpc-port", "0", "--http-port", "0", "--sql-port", "0"]
    command += ["--session-idle-seconds", str(_IDLE_SECONDS), "--batch-seconds", "0.5"]
    with (folder / "collector.log").open("w+") as log, subprocess.Popen(command, stderr=log) as process:  # noqa: S603 - ours
        try:
            endpoints = _wait_until_ready(process, folder)
            where = ", ".join(f"{name} {address}" for name, address in endpoints.items())
            console.print(f"   ready: {where}")
            yield endpoints
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if endpoints := datadir.endpoints(folder):
            return endpoints
        time.sleep(0.05)
    raise CollectorError(f"the collector did not start:\n{(folder / 'collector.log').read_text()}")


def _record(console: Console, programs: list[_Program], endpoints: dict[str, str], folder: Path) -> list[_Recorded]:
    """Run programs at the same time and return what each says it recorded.

    They share a spool: what the one that is killed leaves in it, those of the next list send.
    """
    running = []
    for label, module, arguments in programs:
        command = " ".join(("python -m", f"{_EXAMPLES}.{module}", *arguments))
        console.print(f"[bold]2.[/] recording: {label:<12} [dim]{command}[/]")
        environment = os.environ | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{endpoints['http' if label == 'stock-http' else 'grpc']}",
            "OTEL_RESOURCE_ATTRIBUTES": f"demo.process={label},deployment.environment.name=demo",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_INTERACTIONS_SPOOL_DIR": str(folder / "spool"),
        }
        program = [sys.executable, "-m", f"{_EXAMPLES}.{module}", *arguments]
        running.append((label, subprocess.Popen(program, env=environment, stdout=subprocess.PIPE)))  # noqa: S603 - ours
    return [_finish(label, process) for label, process in running]


def _finish(label: str, process: subprocess.Popen[bytes]) -> _Recorded:
    output, _ = process.communicate(timeout=_START_SECONDS)
    try:
        said: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise CollectorError(f"the program {label} failed with exit code {process.returncode}") from error
    spans = set(said.get("spans", ()))
    return _Recorded(label, said.get("recorded", len(spans)), spans)


def _check(console: Console, asker: questions.Asker, recorded: list[_Recorded]) -> bool:
    """Wait until everything is loaded, then compare row by row; print a line a process."""
    console.print("[bold]3.[/] reading back from ClickHouse …")
    wanted = sum(each.count for each in recorded)
    deadline = time.monotonic() + _LOAD_SECONDS
    while time.monotonic() < deadline:
        stored = {row["process"]: row for row in asker.rows(_BY_PROCESS)}
        if sum(row["rows"] for row in stored.values()) >= wanted:
            break
        time.sleep(0.1)
    time.sleep(_IDLE_SECONDS + 0.2)  # let the idle time pass, and let a duplicate, if there were one, arrive
    stored = {row["process"]: row for row in asker.rows(_BY_PROCESS)}
    complete = [_compare(console, each, stored.get(each.label, {})) for each in recorded]
    return all(complete)


def _compare(console: Console, recorded: _Recorded, stored: dict[str, Any]) -> bool:
    rows, spans = stored.get("rows", 0), stored.get("spans", 0)
    once = rows == spans == recorded.count
    if recorded.spans:
        complete = once and set(stored["ids"]) == recorded.spans
    else:  # our SDK numbers what it records: 1..n, each once
        complete = once and stored["numbers"] == stored["last_number"] == recorded.count
    mark = "[green]ok[/]  " if complete else "[red]BAD[/] "
    console.print(
        f"   {mark} {recorded.label:<12} recorded {recorded.count:>3}   stored {rows:>3}   distinct {spans:>3}"
    )
    return complete


def _print_answers(console: Console, asker: questions.Asker) -> None:
    _heading(console, "Sessions", "sessions")
    show.sessions(console, asker.ask("sessions", status="", limit=50))
    _heading(console, f"Transcript of {_SHOWN}", "transcript")
    show.transcript(console, asker.ask("transcript", session=_SHOWN))
    for title, question in (("Interactions by type", "interactions_by_type"), ("Tokens by model", "tokens_by_model")):
        _heading(console, title, question)
        show.table(console, asker.ask(question))


def _heading(console: Console, title: str, question: str) -> None:
    console.print()
    console.rule(f"[bold]{title}", align="left")
    console.print(Text(questions.text(question), style="dim"), soft_wrap=True)
    console.print()


def _print_verdict(console: Console, recorded: list[_Recorded], *, complete: bool) -> None:
    total = sum(each.count for each in recorded)
    console.rule()
    if complete:
        console.print(f"[bold green]All {total} interactions of {len(recorded)} processes are stored exactly once.[/]")
    else:
        console.print("[bold red]Some interactions are missing or doubled: see BAD above.[/]")
    console.print("Next: `make serve`, then point any OpenTelemetry SDK at localhost:4317.")
