"""Answers as people read them in a terminal; colours go when the output is piped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_STATUS = {"ended": "green", "active": "cyan", "abandoned": "yellow"}
_COUNTS = ("interactions", "user_messages", "assistant_responses", "tool_calls", "errors")
_ROLE = {"user": "bold cyan", "assistant": "bold green", "tool": "magenta"}


def table(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table, numbers to the right."""
    if not rows:
        console.print("(nothing)")
        return
    grid = Table(box=box.SIMPLE, pad_edge=False)
    for name, value in rows[0].items():
        grid.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        grid.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(grid)


def sessions(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print a session list."""
    if not rows:
        console.print("(no sessions)")
        return
    grid = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("session", "status", "user", "started", "lasted"):
        grid.add_column(name, overflow="fold")
    for name in ("inter-\nactions", "user\nmsgs", "answers", "tools", "errors", "tokens\nin/out"):
        grid.add_column(name, justify="right")
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
            str(timedelta(milliseconds=round(row["duration_ms"])))[:-3] if row["duration_ms"] >= 1 else "0",
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
        console.print(line)


def interaction(console: Console, row: dict[str, Any]) -> None:
    """Print one interaction on one line."""
    line = Text(f"{row['ts'][:23]}  ", style="dim")
    line.append(f"{row['session_id'][:24]:<24}  ")
    line.append(f"{row['type']:<18}  ", style="red" if row["status"] == "error" else "green")
    line.append(row["what"].replace("\n", " "))
    console.print(line, no_wrap=True, overflow="ellipsis")
