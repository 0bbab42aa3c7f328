"""`otel-interactions dead-letters …`: what ClickHouse could not take, why, and another try."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from collector import datadir, settings
from collector.cli.options import FAILED, AsJson, errors_as_sentences, print_json, with_settings
from collector.errors import CollectorError
from collector.load.dead_letters import DeadLetters, Letter, LetterError
from collector.query import show

app = typer.Typer(no_args_is_help=True, help="What ClickHouse could not take, why, and another try.")

_POLL_SECONDS = 0.1
_LISTED = ("id", "set aside (UTC)", "signal", "tenant", "peer", "bytes", "reason")

Id = Annotated[str, typer.Argument(metavar="ID", help="The letter's id, as `dead-letters list` shows it.")]


@app.command("list")
@errors_as_sentences
@with_settings("data_dir")
def list_letters(chosen: settings.Settings, as_json: AsJson = False) -> None:
    """List what was set aside, the oldest first."""
    folder, letters, unreadable = _folder(chosen), [], 0
    for identity in folder.ids():
        try:
            letters.append(folder.get(identity))
        except LetterError as error:
            typer.echo(str(error), err=True)
            unreadable += 1
    if as_json:
        print_json([asdict(letter) for letter in letters])
    else:
        show.table(show.console(), [{name: _row(letter)[name] for name in _LISTED} for letter in letters])
    if unreadable:
        raise typer.Exit(FAILED)


@app.command("show")
@errors_as_sentences
@with_settings("data_dir")
def show_letter(
    chosen: settings.Settings,
    identity: Id,
    raw: Annotated[
        Path | None, typer.Option(help="Write the OTLP protobuf to this file instead of printing it as JSON.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Print at most so many characters of it.")] = 20_000,
) -> None:
    """Print one letter: why it was set aside, and the OTLP in it as JSON."""
    folder = _folder(chosen)
    letter = folder.get(identity)
    if raw is not None:
        content = folder.data(letter) if letter.damaged else b"".join(each.body for each in folder.requests(letter))
        _write(raw, content)
        typer.echo(f"{len(content)} bytes written to {raw}", err=True)
        return
    typer.echo(json.dumps(_row(letter) | {"reason": letter.reason}, indent=1, ensure_ascii=False))
    text = "(damaged: see --raw)" if letter.damaged else _as_json(folder, letter)
    typer.echo(text[:limit])
    if len(text) > limit:
        typer.echo(f"… {len(text) - limit} characters more: --limit, or --raw FILE for all", err=True)


@app.command("replay")
@errors_as_sentences
@with_settings("data_dir")
def replay(
    chosen: settings.Settings,
    identities: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The letters' ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Send all of them again.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the outcome.")] = 60.0,
) -> None:
    """Send letters again: at once if the collector runs, else when it starts.

    Exit code 1 if one of them cannot be sent, is refused again, or is not stored in time (it is still tried then).
    """
    folder = _folder(chosen)
    wanted = folder.ids() if every else identities or []
    if not wanted and not every:
        raise LetterError("nothing to send again", hint="name the ids of letters, or --all")
    asked, failed = _ask(folder, wanted)
    if datadir.is_in_use(chosen.data_dir):
        failed += _report(folder, asked, wait)
    elif asked:
        typer.echo(f"{len(asked)} will be sent again when the collector starts")
    if failed:
        raise typer.Exit(FAILED)


def _folder(chosen: settings.Settings) -> DeadLetters:
    return DeadLetters(chosen.data_dir / datadir.DEAD_LETTERS)


def _ask(folder: DeadLetters, wanted: list[str]) -> tuple[list[str], int]:
    """Ask for replays; return those asked for, and how many cannot be sent."""
    asked, failed = [], 0
    for identity in wanted:
        try:
            folder.ask_replay(folder.get(identity))
        except LetterError as error:
            typer.echo(str(error), err=True)
            failed += 1
        else:
            asked.append(identity)
    return asked, failed


def _report(folder: DeadLetters, asked: list[str], wait: float) -> int:
    """Say what becomes of each; return how many were not stored."""
    deadline = time.monotonic() + wait
    waiting, failed = list(asked), 0
    while waiting:
        for identity in [each for each in waiting if not folder.is_wanted(each)]:
            waiting.remove(identity)
            try:
                letter = folder.get(identity)
            except LetterError:
                typer.echo(f"{identity} stored ({len(asked) - len(waiting)} of {len(asked)})")
            else:
                typer.echo(f"{identity} refused again: {letter.reason}", err=True)
                failed += 1
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    for identity in waiting:
        typer.echo(f"{identity} not stored yet; the collector goes on trying, see its log", err=True)
    return failed + len(waiting)


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "set aside (UTC)": _time(letter.set_aside_unix_nano),
        "signal": letter.signal,
        "tenant": letter.tenant,
        "peer": letter.peer,
        "received (UTC)": _time(letter.received_unix_nano),
        "requests": letter.requests,
        "bytes": letter.size,
        "stored in": ", ".join(letter.stored_in),
        "refused again": letter.replays,
        "reason": letter.reason,
    }


def _time(unix_nano: int) -> str:
    return datetime.fromtimestamp(unix_nano / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S") if unix_nano else ""


def _write(target: Path, content: bytes) -> None:
    try:
        if str(target) == "-":
            sys.stdout.buffer.write(content)
        else:
            target.write_bytes(content)
    except OSError as error:
        raise CollectorError(f"{target} cannot be written: {error.strerror}") from error


def _as_json(folder: DeadLetters, letter: Letter) -> str:
    """Render the OTLP of a letter as OTLP/JSON, or say why that cannot be done."""
    from collector.cli import otlp_text  # noqa: PLC0415 - loads every message of OTLP, which only this needs

    return "\n".join(otlp_text.render(letter.signal, each.body) for each in folder.requests(letter))
