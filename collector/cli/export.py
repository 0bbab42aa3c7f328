"""`otel-interactions export`: rows of a time, from the running collector into a file."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from collector import settings
from collector.cli.api_client import ApiClient, api_client, with_api
from collector.cli.options import FAILED, AsKey, errors_as_sentences
from collector.cli.times import Days, Since, Until, times
from collector.cli.whole_file import STDOUT, whole_file
from collector.errors import StartError
from collector.query.kinds import TOTAL, Format, What

_ENDINGS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@errors_as_sentences
@with_api
def export(
    chosen: settings.Settings,
    *,
    what: Annotated[
        str, typer.Option(metavar="|".join(get_args(What)), help="Which rows. Sessions: those that began in the time.")
    ] = "interactions",
    output_format: Annotated[
        str,
        typer.Option("--format", metavar="|".join(get_args(Format)), help="Default: by the ending of FILE, else csv."),
    ] = "",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|-", help="Appears when it is whole; - is standard output.")
    ] = STDOUT,
    days: Days = None,
    since: Since = "",
    until: Until = "",
    session: Annotated[str, typer.Option(metavar="id", help="Only of this session.")] = "",
    user: Annotated[str, typer.Option(metavar="id", help="Only of this user.")] = "",
    kind: Annotated[str, typer.Option("--type", metavar="text", help="Only interactions or errors of this type.")] = "",
    tenant: Annotated[str, typer.Option(metavar="text", help="Only of this tenant, where the key sees all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    key: AsKey = "",
) -> None:
    """Export interactions, sessions, transcripts or errors as CSV, JSON lines or Parquet.

    How far it is and a summary go to standard error. A file that is there is replaced once the new one is whole.
    """
    meant = times(days, since, until, datetime.now(UTC))
    asked = {
        "what": _one_of(what, get_args(What), "--what"),
        "format": _one_of(output_format or _by_ending(output), get_args(Format), "--format"),
        "since": meant.since.isoformat(),
        "until": meant.until.isoformat(),
        "session_id": session,
        "user_id": user,
        "interaction_type": kind,
        "tenant": tenant,
    }
    if output == STDOUT and asked["format"] == "parquet" and sys.stdout.isatty():
        raise StartError("Parquet is nothing for a terminal", hint="name a file with --output")
    with api_client(chosen, key) as client, _no_reader_left():
        done = _fetch(client, {name: value for name, value in asked.items() if value}, output)
    typer.echo(json.dumps(done, ensure_ascii=False) if as_json else _sentence(done), err=True)


def _one_of(given: str, known: tuple[str, ...], flag: str) -> str:
    if given not in known:
        raise StartError(f"{flag} {given[:50]!r} is not known", hint=f"use {', '.join(known)}")
    return given


def _by_ending(output: str) -> str:
    return _ENDINGS.get(Path(output).suffix.lower(), "csv")


def _fetch(client: ApiClient, asked: dict[str, str], output: str) -> dict[str, Any]:
    """Write an export to where it should be, and return what there is to say of it."""
    began, counted = time.monotonic(), Counted(asked["format"])
    with whole_file(output) as file, client.stream("/api/export", asked) as reply:
        total = reply.headers.get(TOTAL, "")
        with _progress(asked["what"], int(total) if total.isdecimal() else None, counted) as show:
            for piece in reply.iter_bytes():
                file.write(piece)
                counted.add(piece)
                show()
    known = counted.rows
    if known is None and total.isdecimal():  # of a Parquet file: what the collector counted before
        known = int(total)
    return {
        "what": asked["what"],
        "format": asked["format"],
        "since": asked["since"],
        "until": asked["until"],
        "rows": known,
        "bytes": counted.size,
        "seconds": round(time.monotonic() - began, 3),
        "output": output,
    }


@dataclass
class Counted:
    """What came so far: its size in bytes, and rows as far as the format tells while it arrives."""

    format: str
    size: int = 0
    lines: int = 0
    quoted: bool = False  # within a value of CSV, which may hold line ends

    def add(self, piece: bytes) -> None:
        """Count some bytes."""
        self.size += len(piece)
        if self.format == "jsonl":
            self.lines += piece.count(b"\n")
        elif self.format == "csv":
            parts = piece.split(b'"')
            self.lines += sum(part.count(b"\n") for part in parts[int(self.quoted) :: 2])
            self.quoted ^= len(parts) % 2 == 0

    @property
    def rows(self) -> int | None:
        """How many rows came; None where the format does not tell."""
        heads = 1 if self.format == "csv" else 0
        return None if self.format == "parquet" else max(self.lines - heads, 0)


@contextlib.contextmanager
def _progress(what: str, total: int | None, counted: Counted) -> Iterator[Any]:
    """Show on standard error how far it is, if a person looks there; gives what to call when something came."""
    console = Console(stderr=True)
    tells = counted.rows is not None
    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        began, task = time.monotonic(), bar.add_task(what, total=total if tells else None, told="")

        def show() -> None:
            seconds = max(time.monotonic() - began, 0.001)
            rows = f"{counted.rows:,} rows, {counted.rows / seconds:,.0f}/s, " if counted.rows is not None else ""
            told = f"{rows}{decimal(counted.size)}, {decimal(int(counted.size / seconds))}/s"
            bar.update(task, completed=counted.rows or 0, told=told)

        yield show


@contextlib.contextmanager
def _no_reader_left() -> Iterator[None]:
    """End without a word where whoever reads standard output has gone, as `head` does."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None


def _sentence(done: dict[str, Any]) -> str:
    rows = "" if done["rows"] is None else f"{done['rows']:,} rows, "
    where = "" if done["output"] == STDOUT else f" in {done['output']}"
    return f"{done['what']}: {rows}{decimal(done['bytes'])}{where}, {done['seconds']:.1f} s"
