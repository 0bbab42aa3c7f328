"""Answers as people read them in a terminal; colours go when the output is piped."""

from __future__ import annotations

import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED_WIDTH = 160  # columns; nobody wraps a pipe, and 80 would cut tables to shreds
_STATUS = {"ended": "green", "active": "cyan", "abandoned": "yellow"}
_VERDICT = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_COUNTS = ("interactions", "user_messages", "assistant_responses", "tool_calls", "errors")
_ROLE = {"user": "bold cyan", "assistant": "bold green", "tool": "magenta"}


def console() -> Console:
    """Return a console for standard output: the terminal's width, or wide and without colours when piped."""
    return Console() if sys.stdout.isatty() else Console(width=_PIPED_WIDTH)


def table(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table, numbers to the right."""
    if not rows:
        console.print("(nothing)")
        return
    grid = Table(box=box.SIMPLE, pad_edge=False)
    for name, value in rows[0].items():
        grid.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(_cell, row.values()))
    console.print(grid)


def _cell(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return ""
    return str(round(value, 4) if isinstance(value, float) else value)


def sessions(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print a session list."""
    if not rows:
        console.print("(no sessions)")
        return
    grid = Table(box=box.SIMPLE, pad_edge=False)
    grid.add_column("session", overflow="fold", min_width=20)
    for name in ("status", "user", "started (UTC)"):
        grid.add_column(name, no_wrap=True)
    for name in ("lasted", "all", "user", "asst", "tools", "errors", "tokens in/out"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("model", overflow="fold")
    for row in rows:
        status = Text(row["status"], style=_STATUS.get(row["status"], ""))
        if row["end_reason"]:
            status.append(f" ({row['end_reason']})", style="dim")
        grid.add_row(
            row["session_id"],
            status,
            row["user_id"],
            row["started_at"][:19],
            f"{row['duration_ms'] / 1000:.1f} s",
            *(str(row[name]) for name in _COUNTS),
            f"{row['input_tokens']}/{row['output_tokens']}",
            row["model"],
        )
    console.print(grid)


def transcript(console: Console, messages: list[dict[str, Any]]) -> None:
    """Print a conversation, turn by turn."""
    for message in messages:
        line = Text(f"{message['ts'][11:23]}  ", style="dim")
        line.append(f"{message['role']:<10}", style=_ROLE.get(message["role"], ""))
        if message["role"] == "tool":
            line.append(f"{message['tool_name']}({message['tool_arguments']})")
            line.append(f" -> {message['tool_result'] or message['text'] or '(no result)'}", style="dim")
        else:
            line.append(message["text"])
        console.print(line, soft_wrap=True)


def interaction(console: Console, row: dict[str, Any]) -> None:
    """Print one interaction on one line."""
    line = Text(f"{row['ts'][:23]}  ", style="dim")
    line.append(f"{row['session_id'][:24]:<24}  ")
    line.append(f"{row['type']:<18}  ", style="red" if row["status"] == "error" else "green")
    line.append(row["what"].replace("\n", " "))
    console.print(line, no_wrap=True, overflow="ellipsis")


def missing(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print of each process which of its numbers are not there."""
    if not rows:
        console.print("(nothing is missing)")
        return
    grid = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("tenant", "service", "process"):
        grid.add_column(name, overflow="fold")
    for name in ("first", "last", "recorded", "missing"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("gaps", overflow="fold")
    for name in ("from (UTC)", "to (UTC)"):
        grid.add_column(name, no_wrap=True)
    for row in rows:
        grid.add_row(
            row["tenant"],
            row["service"],
            row["service_instance_id"],
            *(str(row[name]) for name in ("first", "last", "recorded")),
            Text(str(row["missing"]), style="bold red" if row["missing"] else ""),
            _ranges(row["gaps"], row["gap_count"]),
            *(row[name][:19] for name in ("from_time", "to_time")),
        )
    console.print(grid)


def _ranges(gaps: list[list[int]], count: int) -> str:
    """Return gaps as people write them, and how many there are besides."""
    told = [str(first) if first == last else f"{first}-{last}" for first, last in gaps]
    return ", ".join(told + ([f"… {count - len(gaps)} more"] if count > len(gaps) else []))


def findings(console: Console, rows: list[dict[str, str]]) -> None:
    """Print what the doctor found, what to do below it."""
    grid = Table(box=box.SIMPLE, pad_edge=False)
    grid.add_column("check", no_wrap=True)
    grid.add_column("", no_wrap=True)
    grid.add_column("found", overflow="fold")
    for row in rows:
        found = Text(row["found"])
        if row["advice"]:
            found.append(f"\n-> {row['advice']}", style="bold")
        grid.add_row(row["check"], Text(row["status"], style=_VERDICT[row["status"]]), found)
    console.print(grid)
