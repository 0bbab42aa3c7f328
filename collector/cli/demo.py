"""`otel-interactions demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from collector import demo
from collector.cli.options import FAILED, errors_as_sentences
from collector.query import show


@errors_as_sentences
def demonstrate(
    keep: Annotated[bool, typer.Option(help="Keep the data directory and say where it is.")] = False,
) -> None:
    """Record real sessions into a collector of its own, read them back from ClickHouse, check every one."""
    if not demo.run(show.console(), keep=keep):
        raise typer.Exit(FAILED)
