"""Tables, printed for people and written as JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import rich.table
from rich.console import Console


@dataclass(frozen=True, slots=True)
class Table:
    """What is shown: a title, names of the columns, and rows of text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Report:
    """Prints each table as it comes and keeps it."""

    def __init__(self, heading: str, file: Path | None) -> None:
        self._console, self._file = Console(), file
        if not self._console.is_terminal:
            self._console.width = 160  # nothing is cut off in a file
        self._content = {"measured": heading, "tables": []}
        self._console.print(heading)

    def add(self, tables: list[Table]) -> None:
        """Show tables and write everything so far to the file."""
        for table in tables:
            shown = rich.table.Table(*table.columns, title=table.title, title_justify="left")
            for row in table.rows:
                shown.add_row(*row)
            self._console.print(shown)
            self._content["tables"].append(asdict(table))
        if self._file:
            self._file.write_text(json.dumps(self._content, indent=1))
